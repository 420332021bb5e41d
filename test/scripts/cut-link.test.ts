import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'node:test'
import { openCutLink } from '../../scripts/bench/cut-link.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'

test('a line that breaks carries what came before, breaks as often as it was told to, and then holds', async (t) => {
  const bytes = Buffer.from(randomBytes('line', 1_000_000))
  const server = createServer((socket) => socket.on('error', () => {}).end(bytes)).listen(0, '127.0.0.1')
  t.after(() => void server.close())
  await once(server, 'listening')
  const to = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const line = await openCutLink(to, { cuts: 5, within: 1_000_000 })
  t.after(() => line.close())

  const arrived: Buffer[] = []
  while ((arrived.at(-1)?.length ?? 0) < bytes.length) arrived.push(await received(line.host))

  assert.equal(line.cuts, 5)
  for (const part of arrived) assert.ok(part.equals(bytes.subarray(0, part.length)))
  assert.equal(
    line.bytes,
    arrived.reduce((sum, { length }) => sum + length, 0)
  )
})

async function received(host: string): Promise<Buffer> {
  const socket = connect(Number(host.split(':')[1]), '127.0.0.1')
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(pieces)
}
