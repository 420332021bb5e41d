import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer as createSecureServer } from 'node:tls'
import { createAddressGuard } from '../../../modules/connected-registry/src/parent/address-guard.ts'
import {
  type ContentAnswer,
  type ContentConnectionsOptions,
  createContentConnections
} from '../../../modules/connected-registry/src/parent/content-connections.ts'
import type { ReadTurns } from '../../../modules/connected-registry/src/parent/read-turns.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { type Certificate, selfSigned } from './scripted-server.ts'

/** A server that is told each request's head and what to write, byte for byte. */
async function rawServer(
  t: TestContext,
  answer: (socket: Socket, head: string, count: number) => void,
  certificate?: Certificate
) {
  const sockets = new Set<Socket>()
  let requests = 0
  const serve = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        text = text.slice(end + 4)
        answer(socket, head, requests++)
      }
    })
  }
  const server = certificate ? createSecureServer({ ...certificate }, serve) : createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`${certificate ? 'https' : 'http'}://127.0.0.1:${port}/v2/app/blobs/x?y=1`),
    sockets,
    get requests() {
      return requests
    }
  }
}

function openConnections(t: TestContext, more: Partial<ContentConnectionsOptions> = {}) {
  const guard = createAddressGuard()
  guard.know('127.0.0.1')
  const options = { guard, trusted: undefined, connectMs: 5_000, idleMs: 5_000, onSocket: () => {}, ...more }
  const connections = createContentConnections(options)
  t.after(() => connections.close())
  const get = (url: URL, signal = t.signal, headersMs = 5_000) =>
    connections.get({ url, headers: { range: 'bytes=1-' }, headersMs, signal })
  return { get }
}

async function bytesOf(answer: ContentAnswer | undefined): Promise<Buffer> {
  assert.ok(answer, 'the answer was left to others')
  const pieces: Buffer[] = []
  for await (const piece of answer.body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

const withLength = (body: Uint8Array, ...headers: readonly string[]) =>
  Buffer.concat([
    Buffer.from(['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...headers, '', ''].join('\r\n')),
    body
  ])

test('the request says what is wanted, and the body is what was sent, in whatever pieces', async (t) => {
  const body = randomBytes('body', 3_000)
  let asked = ''
  const server = await rawServer(t, async (socket, head) => {
    asked = head
    const bytes = withLength(body)
    socket.setNoDelay(true)
    for (let at = 0; at < bytes.length; at += 7)
      await new Promise((written) => socket.write(bytes.subarray(at, at + 7), written))
  })
  const { get } = openConnections(t)

  assert.ok((await bytesOf(await get(server.url))).equals(body))

  assert.deepEqual(asked.split('\r\n'), [
    'GET /v2/app/blobs/x?y=1 HTTP/1.1',
    `host: ${server.url.host}`,
    'connection: keep-alive',
    'range: bytes=1-'
  ])
})

for (const secure of [false, true]) {
  test(`many megabytes come whole ${secure ? 'by TLS' : 'in plain'}, to a reader that takes its time`, async (t) => {
    const certificate = secure ? await selfSigned(t) : undefined
    const body = randomBytes('large', 24 * 1024 * 1024)
    const server = await rawServer(t, (socket) => socket.write(withLength(body)), certificate)
    const { get } = openConnections(t, { trusted: certificate && [String(certificate.cert)] })
    const hash = createHash('sha256')

    const answer = await get(server.url)
    assert.ok(answer)
    let pieces = 0
    for await (const piece of answer.body) {
      const before = createHash('sha256').update(piece).digest('hex')
      if (pieces++ % 16 === 0) await new Promise((later) => setImmediate(later))
      assert.equal(createHash('sha256').update(piece).digest('hex'), before, 'a piece changed while it was read')
      hash.update(piece)
    }

    assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'))
  })
}

test('a certificate that is not trusted ends it before anything is sent', async (t) => {
  const server = await rawServer(t, (socket) => socket.end(), await selfSigned(t))
  const { get } = openConnections(t)

  await assert.rejects(get(server.url), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  assert.equal(server.requests, 0)
})

test('a connection serves one request after another', async (t) => {
  const server = await rawServer(t, (socket, _, count) =>
    socket.write(
      count === 1
        ? 'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n'
        : withLength(Buffer.from('here'))
    )
  )
  const { get } = openConnections(t)

  const texts: string[] = []
  for (let count = 0; count < 3; count++) texts.push(String(await bytesOf(await get(server.url))))

  assert.deepEqual(texts, ['here', 'no', 'here'])
  assert.equal(server.sockets.size, 1)
})

test('what a server sends behind its answer never becomes the next one', async (t) => {
  const evil = withLength(Buffer.from('evil'))
  const server = await rawServer(t, (socket, _, count) =>
    socket.write(count === 0 ? Buffer.concat([withLength(Buffer.from('good')), evil]) : withLength(Buffer.from('true')))
  )
  const { get } = openConnections(t)

  assert.equal(String(await bytesOf(await get(server.url))), 'good')
  assert.equal(String(await bytesOf(await get(server.url))), 'true')
  assert.equal(server.sockets.size, 2)
})

test('a connection that is used again may rest its whole time again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const server = await rawServer(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx'))
  const { get } = openConnections(t)

  for (let asked = 0; asked < 3; asked++) {
    await bytesOf(await get(server.url))
    t.mock.timers.tick(3_000)
  }

  assert.equal(server.sockets.size, 1)
})

test('a connection that was closed while it rested is replaced', async (t) => {
  const server = await rawServer(t, (socket, _, count) => {
    if (count === 1) socket.destroy()
    else socket.write(withLength(Buffer.from(`answer ${count}`)))
  })
  const { get } = openConnections(t)
  await bytesOf(await get(server.url))

  assert.equal(String(await bytesOf(await get(server.url))), 'answer 2')
})

test('a cut in the head or the body is told of, and so is silence', async (t) => {
  const heads = ['HTTP/1.1 200 OK\r\nConte', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf']
  const server = await rawServer(t, (socket, _, count) => {
    if (count < 2) socket.end(heads[count]!)
    if (count === 3) socket.write(heads[1]!)
  })
  const { get } = openConnections(t, { idleMs: 30 })

  await assert.rejects(get(server.url), { code: 'ECONNRESET' })
  await assert.rejects(get(server.url).then(bytesOf), { code: 'ECONNRESET' })
  await assert.rejects(get(server.url, t.signal, 30), { code: 'ETIMEDOUT' })
  await assert.rejects(get(server.url).then(bytesOf), { code: 'ETIMEDOUT' })
})

test('a head without an end is given up', async (t) => {
  const server = await rawServer(t, (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(5_000)}`))
  const { get } = openConnections(t)

  await assert.rejects(get(server.url), { code: 'HPE_STRICT' })
})

test('an abort ends the wait for the head and for the body', async (t) => {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const server = await rawServer(t, (socket, _, count) => {
    if (count === 0) resolve()
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
  })
  const { get } = openConnections(t)
  const first = new AbortController()
  const waiting = get(server.url, first.signal)
  await asked
  first.abort(new Error('enough'))
  await assert.rejects(waiting, { message: 'enough' })

  const second = new AbortController()
  const answer = await get(server.url, second.signal)
  assert.ok(answer)
  const body = answer.body[Symbol.asyncIterator]()
  await body.next()
  const next = body.next()
  second.abort(new Error('enough'))
  await assert.rejects(next)
})

test('a shape it does not know is left to others, from then on without asking', async (t) => {
  const server = await rawServer(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'))
  const { get } = openConnections(t)

  assert.equal(await get(server.url), undefined)
  assert.equal(await get(server.url), undefined)
  assert.equal(server.requests, 1)
})

test('an address that may not be connected to is not', async (t) => {
  const { get } = openConnections(t)

  await assert.rejects(get(new URL('http://169.254.169.254/latest')), { code: 'ADDRESS_REFUSED' })
})

test('a piece stays as it is while it is in use, also where the turn to read it comes late', async (t) => {
  const body = Buffer.from(randomBytes('in use', 200))
  const sent = withLength(body)
  const server = await rawServer(t, (socket) => socket.write(sent.subarray(0, -100)))
  let late: (() => void)[] | undefined = []
  const turns: ReadTurns = { take: (_, read) => (late ? void late.push(read) : read()) }
  const { get } = openConnections(t, { turns })

  const answer = await get(server.url)
  for (const read of late) read()
  late = undefined
  const [socket] = server.sockets
  await new Promise((written) => socket?.write(sent.subarray(-100), written))
  for (let taken = 0; taken < 10; taken++) await turn()

  assert.deepEqual(await bytesOf(answer), body)
})

test('what comes is read in small pieces while others wait, and in larger ones after', async (t) => {
  const body = Buffer.from(randomBytes('pieces', 2 * 2 ** 20))
  const server = await rawServer(t, (socket) => socket.write(withLength(body)))
  let areWaiting = true
  const { get } = openConnections(t, { yields: () => areWaiting })
  const answer = await get(server.url)
  assert.ok(answer)
  const sizes = { before: [] as number[], after: [] as number[] }
  const received: Buffer[] = []

  for await (const piece of answer.body) {
    sizes[areWaiting ? 'before' : 'after'].push(piece.byteLength)
    received.push(Buffer.from(piece))
    // The server is in this process: what it has to say goes out meanwhile.
    for (let taken = 0; taken < 20; taken++) await turn()
    if (received.length === 8) areWaiting = false
  }

  const small = 32 * 1024
  assert.ok(Math.max(...sizes.before) <= small, `${sizes.before}`)
  assert.ok(Math.max(...sizes.after) > small, `${sizes.after}`)
  assert.deepEqual(Buffer.concat(received), body)
})
