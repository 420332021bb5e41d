import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import test, { type TestContext } from 'node:test'
import { sendBlob } from '../../../modules/connected-registry/src/http/blob-body.ts'
import { type BufferPool, createBufferPool } from '../../../modules/connected-registry/src/http/buffer-pool.ts'

function endless() {
  let closed = false
  return {
    read: async (into: Uint8Array) => into.length,
    close: async () => {
      closed = true
    },
    isClosed: () => closed
  }
}

/** Lends from a pool and knows what is out. */
function watchedPool(): BufferPool & { lent: () => number } {
  const pool = createBufferPool()
  let lent = 0
  return {
    take: () => {
      lent += 1
      return pool.take()
    },
    give: (buffer) => {
      lent -= 1
      pool.give(buffer)
    },
    lent: () => lent
  }
}

async function serve(t: TestContext, send: (response: ServerResponse) => Promise<void>): Promise<number> {
  const server = createServer((_, response) => void send(response))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

test('a client that takes nothing any more is let go of with all it holds', async (t) => {
  const content = endless()
  const pool = watchedPool()
  const { promise: sent, resolve } = Promise.withResolvers<void>()
  const port = await serve(t, async (response) => {
    response.writeHead(200, { 'Content-Length': 2 ** 40 })
    resolve(sendBlob(content, response, pool, 50))
  })

  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  socket.on('error', () => {})
  socket.pause()
  await sent
  socket.destroy()

  assert.ok(content.isClosed())
  assert.equal(pool.lent(), 0)
})

test('the largest buffers are lent first, and when all are out, others get small ones instead of waiting', () => {
  const pool = createBufferPool([
    { bytes: 2 ** 21, limit: 1 },
    { bytes: 2 ** 20, limit: 1 }
  ])
  const [first, second, third] = [pool.take(), pool.take(), pool.take()]
  pool.give(third)
  pool.give(first)
  pool.give(second)

  assert.deepEqual([first.length, second.length, third.length], [2 ** 21, 2 ** 20, 2 ** 16])
  assert.equal(pool.take(), first)
  assert.equal(pool.take(), second)
  assert.notEqual(pool.take(), third)
})
