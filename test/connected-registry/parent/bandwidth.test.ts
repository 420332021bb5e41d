import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBody } from '../../../modules/connected-registry/src/parent/answer.ts'
import { createBandwidth } from '../../../modules/connected-registry/src/parent/bandwidth.ts'
import { manualClock, openDispatcher } from './parent-rig.ts'
import { scriptedServer } from './scripted-server.ts'

const { signal } = new AbortController()
const megabit = 1_000_000

test('a limited link carries its rate, however the bytes are cut', async () => {
  for (const piece of [1_500, 65_536, 1_048_576]) {
    const clock = manualClock()
    const { received } = createBandwidth(() => 20 * megabit, clock)
    const pieces = Math.ceil(25_000_000 / piece)

    for (let count = 0; count < pieces; count++) await received(piece, signal)

    const rate = (pieces * piece * 8000) / clock.now() / (20 * megabit)
    assert.ok(rate > 0.99 && rate < 1.01, `${rate} of the rate with pieces of ${piece}`)
  }
})

test('several streams share the limit, each as much as another', async () => {
  const clock = manualClock()
  const { received } = createBandwidth(() => megabit, clock)
  const bytes = [0, 0, 0]
  const until = 60_000
  const stream = async (index: number) => {
    while (clock.now() < until) {
      await received(10_000, signal)
      bytes[index]! += 10_000
    }
  }

  await Promise.all([stream(0), stream(1), stream(2)])

  assert.ok(Math.max(...bytes) - Math.min(...bytes) <= 20_000, String(bytes))
})

test('the other direction has a limit of its own, and none waits where there is none', async () => {
  const clock = manualClock()
  let limit: number | undefined = megabit
  const { received, sent } = createBandwidth(() => limit, clock)

  await received(125_000, signal)
  assert.equal(clock.now(), 1000)
  await sent(125_000, signal)
  assert.equal(clock.now(), 2000)
  limit = undefined
  await received(125_000_000, signal)
  assert.equal(clock.now(), 2000)
})

test('a link that rested is not flooded', async () => {
  const clock = manualClock()
  const { received } = createBandwidth(() => megabit, clock)
  await received(125_000, signal)
  clock.advance(3_600_000)
  const from = clock.now()

  await received(125_000, signal)

  assert.equal(clock.now() - from, 1000)
})

test('what comes from the parent and what goes there wait for their turn', async (t) => {
  const server = await scriptedServer(t, (request, response) => {
    request.resume().on('end', () => response.end(Buffer.alloc(250_000)))
  })
  const clock = manualClock()
  const dispatcher = openDispatcher(t, { clock, bandwidth: () => megabit })
  const request = { operation: 'blob', url: new URL(server.url), signal: t.signal }

  await dispatcher.request({ ...request, method: 'GET' }, (answer) => readBody(answer, 1_000_000))
  assert.ok(Math.abs(clock.now() - 2000) < 1, `received in ${clock.now()} ms`)

  const from = clock.now()
  const body = () =>
    (async function* () {
      yield Buffer.alloc(125_000)
    })()
  await dispatcher.request({ ...request, method: 'PUT', body }, (answer) => readBody(answer, 1_000_000))
  assert.ok(Math.abs(clock.now() - from - 3000) < 60, `sent and received in ${clock.now() - from} ms`)
})
