import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransferRate } from '../../../modules/connected-registry/src/sync/transfer-rate.ts'

function aRate() {
  const time = { now: Date.parse('2024-05-01T00:00:00Z') }
  return { time, rate: createTransferRate(() => new Date(time.now)) }
}

test('it is that of the last half minute', () => {
  const { time, rate } = aRate()
  assert.equal(rate.bytesPerSecond(), 0)

  for (let second = 0; second < 60; second++) {
    rate.note(second < 30 ? 1000 : 100)
    time.now += 1000
  }
  time.now -= 1000

  assert.equal(rate.bytesPerSecond(), 100)
})

test('at the beginning it is that since then', () => {
  const { time, rate } = aRate()

  rate.note(300)
  time.now += 2000

  assert.equal(rate.bytesPerSecond(), 100)
})

test('a link that stands still comes to nothing', () => {
  const { time, rate } = aRate()
  rate.note(3000)

  time.now += 60_000

  assert.equal(rate.bytesPerSecond(), 0)
})

test('a clock that is set back or forward does not make it wrong for longer than a window', () => {
  const { time, rate } = aRate()
  rate.note(3000)

  time.now -= 86_400_000
  assert.equal(rate.bytesPerSecond(), 0)
  rate.note(500)
  assert.equal(rate.bytesPerSecond(), 500)
  time.now += 86_400_000
  rate.note(700)
  assert.equal(rate.bytesPerSecond(), 700)
})
