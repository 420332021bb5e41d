import assert from 'node:assert/strict'
import test from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createRefusalLog } from '../../../modules/connected-registry/src/access/refusal-log.ts'

function aRefusalLog() {
  const lines: Record<string, unknown>[] = []
  const clock = { time: 1_000_000, now: () => clock.time }
  const log = createLog({ module: 'test', destination: { write: (line) => void lines.push(JSON.parse(line)) } })
  return { lines, clock, refusals: createRefusalLog({ log, now: clock.now }) }
}

test('a refused login is logged with its name, its address and the reason', () => {
  const { lines, refusals } = aRefusalLog()

  refusals.note({ name: 'reader', address: '10.0.0.1', reason: 'wrong password' })

  const { level, msg, name, address, reason } = lines[0]!
  assert.deepEqual([level, msg], ['warn', 'login refused'])
  assert.deepEqual([name, address, reason], ['reader', '10.0.0.1', 'wrong password'])
})

test('what cannot be the name of a token is not logged', () => {
  const { lines, refusals } = aRefusalLog()

  for (const name of ['p@ss word', 'x'.repeat(200), 'line\nbreak', '']) {
    refusals.note({ name, address: '10.0.0.1', reason: 'unknown token' })
  }

  for (const line of lines) assert.ok(!('name' in line))
})

test('a flood of refusals is twenty lines a minute, and the others are counted', () => {
  const { lines, clock, refusals } = aRefusalLog()
  for (let at = 0; at < 1000; at++) refusals.note({ name: 'reader', address: 'a', reason: 'wrong password' })
  assert.equal(lines.length, 20)

  clock.time += 60_000
  refusals.note({ name: 'reader', address: 'a', reason: 'wrong password' })
  refusals.note({ name: 'reader', address: 'a', reason: 'wrong password' })

  assert.deepEqual(
    lines.slice(20).map(({ leftOut }) => leftOut),
    [980, undefined]
  )
})
