import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { aDoor, aRegistry, ask, ways } from './open-door.ts'

const framings = ['content-length', 'chunked']

for (const [name, framing] of Object.keys(ways).flatMap((way) => framings.map((each) => [way, each] as const))) {
  test(`a registry that dies during an answer leaves a broken answer, never a short one (${framing}, ${name})`, async (t) => {
    const registry = await aRegistry(t, (asked, answer) => {
      if (framing === 'content-length') answer.setHeader('content-length', 1_000)
      answer.write('the first part', () => asked.socket.destroy())
    })
    const door = await aDoor(t, registry.port, ways[name]?.(registry.port))

    const broken = ask(door.port, '/v2/app/blobs/x')

    await assert.rejects(broken, { code: 'ECONNRESET' })
  })
}

for (const [name, options] of Object.entries(ways)) {
  test(`a reset is a broken answer, also where the end of the connection would be its end (${name})`, async (t) => {
    const begun = Promise.withResolvers<Socket>()
    const registry = await aRegistry(t, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nthe first part', () => begun.resolve(socket))
    })
    const door = await aDoor(t, registry.port, options(registry.port))

    const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/app/blobs/x', agent: false }).end()
    const [answer] = await once(asked, 'response')
    await once(answer, 'readable')
    const socket = await begun.promise
    socket.resetAndDestroy()

    await assert.rejects(text(answer), { code: 'ECONNRESET' })
  })
}

test('a registry that is away is answered 502 at once, and found again when it is back on its port', async (t) => {
  const listener = (_: IncomingMessage, answer: ServerResponse) => answer.end('here')
  const first = await aRegistry(t, listener)
  const door = await aDoor(t, first.port)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const get = async () => {
    const asked = request({ port: door.port, host: '127.0.0.1', path: '/v2/', agent }).end()
    const [answer] = await once(asked, 'response')
    return { status: answer.statusCode, type: answer.headers['content-type'], body: await text(answer) }
  }
  assert.equal((await get()).body, 'here')

  await first.stop()
  const away = await get()
  const upload = await ask(door.port, '/v2/app/blobs/uploads/', { method: 'POST', body: 'x'.repeat(100_000) })
  await aRegistry(t, listener, first.port)
  const back = await get()

  const body = { errors: [{ code: 'UNAVAILABLE', message: 'the registry is not reachable' }] }
  assert.deepEqual([away.status, away.type, JSON.parse(away.body)], [502, 'application/json', body])
  assert.equal(upload.status, 502)
  assert.equal(back.body, 'here')
})

test('a registry whose name is unknown is answered 502', async (t) => {
  const door = await aDoor(t, 8080, { host: 'connected-registry.invalid' })

  assert.equal((await ask(door.port, '/v2/')).status, 502)
})

test('a registry that hangs is answered 504, and its connection is closed', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (_, answer) => arrived.resolve(answer))
  const door = await aDoor(t, registry.port, { limits: { answerTimeoutMs: 50 } })

  const closed = arrived.promise.then((answer) => once(answer, 'close'))
  const answer = await ask(door.port, '/v2/')

  assert.equal(answer.status, 504)
  assert.equal(JSON.parse(answer.body).errors[0].code, 'TIMEOUT')
  await closed
})

test('a registry that hangs on a connection on which it has answered is answered 504, too', async (t) => {
  const connections = new Set<object>()
  const registry = await aRegistry(t, (asked, answer) => {
    connections.add(asked.socket)
    if (asked.url === '/v2/quick') answer.end()
  })
  const door = await aDoor(t, registry.port, { limits: { answerTimeoutMs: 50 } })

  const statuses: number[] = []
  for (const path of ['/v2/quick', '/v2/quick', '/v2/hangs']) statuses.push((await ask(door.port, path)).status)

  assert.deepEqual([statuses, connections.size], [[200, 200, 504], 1])
})

test('reading is asked again when a kept connection turns out to be closed; writing is not', async (t) => {
  // Each connection answers one request and dies of the second.
  const answered = new WeakSet<object>()
  const registry = await aRegistry(t, (asked, answer) => {
    if (answered.has(asked.socket)) asked.socket.destroy()
    else answer.end('here')
    answered.add(asked.socket)
  })
  const door = await aDoor(t, registry.port)

  const statuses: number[] = []
  for (const method of ['GET', 'GET', 'HEAD', 'GET', 'POST'])
    statuses.push((await ask(door.port, '/v2/', { method })).status)

  assert.deepEqual(statuses, [200, 200, 200, 200, 502])
})

test('an answer that is not HTTP is answered 502', async (t) => {
  const registry = await aRegistry(t, (asked) => asked.socket.end('HTTP/1.1 099 \u0001\r\nX: \u0001\r\n\r\n'))
  const door = await aDoor(t, registry.port)

  assert.equal((await ask(door.port, '/v2/')).status, 502)
})

test('an answer whose status means nothing is answered 502', async (t) => {
  const registry = await aRegistry(t, (asked) => asked.socket.end('HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n'))
  const door = await aDoor(t, registry.port)

  assert.equal((await ask(door.port, '/v2/')).status, 502)
})

test('a registry that switches protocols unasked is answered 502', async (t) => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  const registry = await aRegistry(t, (asked) => asked.socket.write(head))
  const door = await aDoor(t, registry.port)

  assert.equal((await ask(door.port, '/v2/')).status, 502)
})
