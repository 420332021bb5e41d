import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { isLeftover } from './network.ts'
import { createLine, openRelay } from './relay.ts'

const host = '127.0.0.1'

test('bytes arrive after the delay, and no faster than the rate, whatever was sent before', () => {
  const line = createLine({ delayMs: 50, bytesPerSecond: 1000 })

  assert.equal(line.arrival(0, 100), 150)
  assert.equal(line.arrival(0, 100), 250)
  assert.equal(line.arrival(1000, 10), 1060)
})

test('what is sent later never arrives earlier, and any second carries no more than its rate', () => {
  const sendings = fc.array(fc.tuple(fc.nat(500), fc.nat(5000)), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(sendings, fc.integer({ min: 1, max: 100_000 }), (all, bytesPerSecond) => {
      const line = createLine({ delayMs: 10, bytesPerSecond })
      let now = 0
      let sent = 0
      let before = 0
      for (const [later, bytes] of all) {
        now += later
        sent += bytes
        const arrival = line.arrival(now, bytes)
        assert.ok(arrival >= Math.max(before, now + 10))
        assert.ok(arrival >= 10 + (sent / bytesPerSecond) * 1000 - 1e-6)
        before = arrival
      }
    })
  )
})

/** Answers with all it was sent, once that has ended. */
async function anEcho(t: TestContext): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk)).on('end', () => socket.end(Buffer.concat(received)))
  })
  t.after(() => server.close())
  await once(server.listen(0, host), 'listening')
  return (server.address() as AddressInfo).port
}

async function aRelay(t: TestContext, port: number) {
  const line = { delayMs: 1, bytesPerSecond: 1 << 30 }
  const ends = { from: { host, port: 0 }, to: { host, port } }
  const relay = await openRelay({ ...ends, delayMs: 1, up: createLine(line), down: createLine(line) })
  t.after(() => relay.close())
  return relay
}

test('a relay carries every byte in order, both ways, with the end of each', async (t) => {
  const relay = await aRelay(t, await anEcho(t))
  const content = Buffer.from(randomBytes('relayed', 3_000_000))

  const socket = connect({ host, port: relay.port, allowHalfOpen: true }).end(content)

  assert.ok((await buffer(socket)).equals(content))
  assert.deepEqual(relay.traffic, { up: content.length, down: content.length })
})

test('where nobody is above, the connection breaks', async (t) => {
  const closed = createServer()
  await once(closed.listen(0, host), 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const relay = await aRelay(t, port)

  const socket = connect(relay.port, host).resume()

  await once(socket, 'close')
  assert.equal(socket.bytesRead, 0)
})

test('only what a process that is gone has left behind is removed', () => {
  const isAlive = (pid: number) => pid === 7

  assert.equal(isLeftover('registry-nested-8-0-layer3', isAlive), true)
  assert.equal(isLeftover('registry-nested-7-0-layer3', isAlive), false)
  assert.equal(isLeftover('registry-nested', isAlive), false)
  assert.equal(isLeftover('somebody-elses-8-0', isAlive), false)
})
