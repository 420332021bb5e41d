import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import test, { type TestContext } from 'node:test'
import fc from 'fast-check'
import { arrivingBody } from '../../../modules/connected-registry/src/http/upload-body.ts'
import { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { openSocket } from './pushing.ts'

interface Arrived {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly socket: Socket
}

/** A request as a server sees it, and the socket it comes over. */
async function arrive(t: TestContext, head: string): Promise<Arrived> {
  const server = createServer()
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = await openSocket(t, (server.address() as AddressInfo).port)
  const requested = once(server, 'request')
  socket.write(`PATCH / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`)
  const [request, response] = (await requested) as [IncomingMessage, ServerResponse]
  return { request, response, socket }
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

function refusal(code: string, message?: RegExp) {
  return (error: unknown) =>
    error instanceof RegistryError && error.code === code && (message?.test(error.message) ?? true)
}

test('a body comes as it was sent, however much faster the network is than the reader', async (t) => {
  const bytes = randomBytes('large', 8 * 2 ** 20)
  const { request, socket } = await arrive(t, `Content-Length: ${bytes.length}`)
  socket.write(bytes)
  const parts: Uint8Array[] = []

  for await (const part of arrivingBody(request)) {
    parts.push(Buffer.from(part))
    await new Promise((resolve) => setImmediate(resolve))
  }

  assert.ok(Buffer.concat(parts).equals(bytes))
})

test('a chunk is gone once the next one is asked for, so that its memory is free at once', async (t) => {
  const bytes = randomBytes('lent', 2 ** 20)
  const { request, socket } = await arrive(t, `Content-Length: ${bytes.length}`)
  socket.write(bytes)
  const lent: Uint8Array[] = []

  for await (const part of arrivingBody(request)) {
    assert.ok(part.length > 0)
    lent.push(part)
  }

  assert.ok(lent.length > 1)
  // Chunks that share their memory stay: few, where there are any.
  const kept = lent.filter((part) => part.length > 0)
  assert.ok(kept.every((part) => part.buffer.byteLength > part.length))
})

test('a body without bytes ends at once', async (t) => {
  const { request } = await arrive(t, 'Content-Length: 0')

  assert.equal((await collect(arrivingBody(request))).length, 0)
})

test('a reader that waits holds the network back', async (t) => {
  const bytes = randomBytes('held', 64 * 2 ** 20)
  const { request, socket } = await arrive(t, `Content-Length: ${bytes.length}`)
  const body = arrivingBody(request)[Symbol.asyncIterator]()
  const first = body.next()
  const isTaken = socket.write(bytes)
  await first

  if (!request.isPaused()) await once(request, 'pause')

  assert.equal(isTaken, false)
  assert.ok(request.isPaused())
  assert.ok(socket.bytesWritten - socket.writableLength < bytes.length)
  await body.return?.()
})

test('a client that leaves is told apart from the end, and what it sent comes first', async (t) => {
  const { request, socket } = await arrive(t, 'Content-Length: 100')
  socket.write(randomBytes('left', 40))
  const received: number[] = []

  const reading = (async () => {
    for await (const part of arrivingBody(request)) {
      received.push(part.length)
      socket.destroy()
    }
  })()

  await assert.rejects(reading, refusal('BLOB_UPLOAD_INVALID', /connection ended/))
  assert.deepEqual(received, [40])
})

test('a client that left before anybody read is noticed', async (t) => {
  const { request, socket } = await arrive(t, 'Content-Length: 100')
  const closed = new Promise<void>((resolve) => request.on('error', () => {}).once('close', resolve))
  socket.destroy()
  await closed

  await assert.rejects(collect(arrivingBody(request)), refusal('BLOB_UPLOAD_INVALID', /connection ended/))
})

test('a client that sends nothing more is let go of', async (t) => {
  const { request, socket } = await arrive(t, 'Content-Length: 100')
  socket.write(randomBytes('stalls', 40))

  await assert.rejects(collect(arrivingBody(request, { idleMs: 20 })), refusal('BLOB_UPLOAD_INVALID', /too long/))
})

test('a reader that leaves early takes its listeners along', async (t) => {
  const { request, socket } = await arrive(t, 'Content-Length: 100')
  const before = request.listenerCount('close')
  socket.write(randomBytes('early', 40))

  for await (const _ of arrivingBody(request)) break

  assert.deepEqual([request.listenerCount('data'), request.listenerCount('close')], [0, before])
  assert.ok(request.isPaused())
})

test('of an announced size exactly that is passed on, and anything else is refused', async (t) => {
  const pieces = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 6 })

  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(100), async (lengths, size) => {
      const { request, socket } = await arrive(t, 'Transfer-Encoding: chunked\r\nConnection: close')
      const sent = randomBytes(
        'pieces',
        lengths.reduce((sum, length) => sum + length, 0)
      )
      let at = 0
      for (const length of lengths) {
        socket.write(
          Buffer.concat([
            Buffer.from(`${length.toString(16)}\r\n`),
            sent.subarray(at, at + length),
            Buffer.from('\r\n')
          ])
        )
        at += length
      }
      socket.write('0\r\n\r\n')
      const received: Uint8Array[] = []

      const reading = (async () => {
        for await (const part of arrivingBody(request, { size })) received.push(Buffer.from(part))
      })()

      if (sent.length === size) await reading
      else await assert.rejects(reading, refusal('SIZE_INVALID'))
      assert.ok(Buffer.concat(received).equals(sent.subarray(0, size)))
      socket.destroy()
    }),
    { numRuns: 40 }
  )
})
