import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { createSentAhead } from '../../../modules/edge-module/src/http-answer/sent-ahead.ts'

const most = 10
const ask = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const lastAsk = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** A server whose answers take until they are released. */
async function serve(t: TestContext) {
  const released = Promise.withResolvers<void>()
  const sentAhead = createSentAhead(most)
  const seen = { requests: 0, begun: 0, left: 0 }
  const server = createServer(async (request, response) => {
    seen.requests++
    if (!(await sentAhead.itsTurn(request, response))) return void seen.left++
    seen.begun++
    await released.promise
    response.end('ok')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen, release: released.resolve, server }
}

function send(t: TestContext, port: number, bytes: string) {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(bytes)
  return socket
}

test('requests that are sent ahead begin in their turn, and again once others were answered', async (t) => {
  const { port, seen, release, server } = await serve(t)
  const socket = send(t, port, ask.repeat(most + 1))
  await once(server, 'request')
  await new Promise(setImmediate)
  assert.deepEqual(seen, { requests: most + 1, begun: 1, left: 0 })

  release()
  let answers = ''
  for await (const bytes of socket) {
    answers += bytes
    const count = answers.split('\r\n\r\nok').length - 1
    if (count === most + 1 && seen.requests === count) socket.write(ask.repeat(most).concat(lastAsk))
  }
  assert.equal(answers.split('\r\n\r\nok').length - 1, 2 * (most + 1))
  assert.deepEqual(seen, { requests: 2 * (most + 1), begun: 2 * (most + 1), left: 0 })
})

// RFC 9112, section 9.6: a server that has said so must not process what follows.
test('what comes after an answer that ends its connection is not begun, in however many pieces that was sent', async (t) => {
  const begun: string[] = []
  const answered = Promise.withResolvers<void>()
  const parsed = Promise.withResolvers<void>()
  const sentAhead = createSentAhead()
  const server = createServer(async (request, response) => {
    if (request.url === '/last') parsed.resolve()
    if ((await sentAhead.itsTurn(request, response)) !== true) return
    begun.push(request.url ?? '')
    // The rest of the request is read for a moment, so that the answer is not lost to a reset.
    request.socket.destroySoon = () => void request.socket.end()
    response.once('close', answered.resolve).writeHead(413, { connection: 'close' }).end()
    request.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  const socket = send(t, port, 'PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab')

  await answered.promise
  socket.write('cd'.concat(ask.replace('/', '/last')))
  await parsed.promise
  await new Promise(setImmediate)

  assert.deepEqual(begun, ['/first'])
})

test('who sends more ahead than may wait is cut off, and nothing of it is held', async (t) => {
  const { port, seen } = await serve(t)
  const socket = send(t, port, ask.repeat(100_000))

  assert.equal(await text(socket).catch(() => ''), '')
  while (seen.left < seen.requests - 1) await new Promise(setImmediate)

  assert.equal(seen.begun, 1)
  // What was read with one call is begun: 64 KiB.
  assert.ok(seen.requests <= 1 + (64 * 1024) / ask.length, `${seen.requests} requests`)
})
