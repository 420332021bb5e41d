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
  assert.ok(performance.now() - from >= 20)
})
