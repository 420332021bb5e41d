import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import test from 'node:test'
import { answer } from '../../../modules/connected-registry/src/http/answer.ts'

test('a client that does not take a large answer is let go of, and what was held for it with it', async (t) => {
  const { promise: closed, resolve } = Promise.withResolvers<boolean>()
  // Larger than what the system takes over.
  const body = Buffer.alloc(32 * 2 ** 20)
  const server = createServer((_, res) => {
    res.once('close', () => resolve(res.writableFinished))
    answer({ res } as Parameters<typeof answer>[0], 200, { 'Content-Length': body.length }, body, 50)
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')

  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.pause()

  assert.equal(await closed, false)
})
