import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { openSlowLink } from '../../scripts/bench/slow-link.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'

test('a slow link carries every byte in order, and takes its time', async (t) => {
  const bytes = randomBytes('line', 5_000_000)
  const server = createServer((socket) => socket.end(bytes)).listen(0, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const line = await openSlowLink(`127.0.0.1:${(server.address() as AddressInfo).port}`, { roundTripMs: 40 })
  t.after(() => line.close())
  const from = performance.now()

  const socket = connect(Number(line.host.split(':')[1]), '127.0.0.1')
  const arrived = await buffer(socket)

  assert.ok(arrived.equals(bytes))
  assert.equal(line.bytes, bytes.length)
  // Two windows and a part of the third: two round trips, and then once down the line. Timers may be a millisecond early.
  assert.ok(performance.now() - from >= 95)
})

test('a slow link of little width takes its time for every byte, and keeps them in order', async (t) => {
  const bytes = randomBytes('width', 50_000)
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)).listen(0, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const to = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const line = await openSlowLink(to, { roundTripMs: 2, bitsPerSecond: 8_000_000 })
  t.after(() => line.close())
  const from = performance.now()

  const socket = connect({ port: Number(line.host.split(':')[1]), host: '127.0.0.1', allowHalfOpen: true })
  for (let at = 0; at < bytes.length; at += 1000) socket.write(bytes.subarray(at, at + 1000))
  socket.end()
  const arrived = await buffer(socket)

  assert.ok(arrived.equals(bytes))
  assert.equal(line.bytes, 2 * bytes.length)
  assert.ok(performance.now() - from >= 45)
})
