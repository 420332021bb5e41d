import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { type TestContext, test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { aDoor, aRegistry, ask, exchangeRaw } from './open-door.ts'

async function aWatchedDoor(t: TestContext) {
  const seen: IncomingMessage[] = []
  const registry = await aRegistry(t, (asked, answer) => {
    seen.push(asked)
    asked.resume().on('end', () => answer.end('reached'))
  })
  const door = await aDoor(t, registry.port)
  return { seen, door, raw: (bytes: string) => exchangeRaw(door.port, bytes) }
}

test('everything but the registry is 404 in the shape of OCI errors, and nothing of it is forwarded', async (t) => {
  const { door, seen } = await aWatchedDoor(t)

  for (const path of ['/', '/v2x', '/v2/../status', '//v2', '/v2/%2e%2e/x', '/v2/a%2fb', '/devices/x', '/acr/..']) {
    const answer = await ask(door.port, path)
    assert.equal(answer.status, 404, path)
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.equal(JSON.parse(answer.body).errors[0].code, 'NOT_FOUND')
  }
  assert.equal(seen.length, 0)
})

test('a request target that names another server is not followed', async (t) => {
  const { raw, seen } = await aWatchedDoor(t)
  const rest = 'Host: a\r\nConnection: close\r\n\r\n'

  assert.match(await raw(`GET http://elsewhere/v2/ HTTP/1.1\r\n${rest}`), /^HTTP\/1\.1 404 /)
  assert.match(await raw(`OPTIONS * HTTP/1.1\r\n${rest}`), /^HTTP\/1\.1 404 /)
  assert.equal(await raw(`CONNECT elsewhere:443 HTTP/1.1\r\n${rest}`), '')
  assert.equal(seen.length, 0)
})

test('a message that two readers could take for different ones is refused', async (t) => {
  const { raw, seen } = await aWatchedDoor(t)
  const ambiguous = {
    'a length and a coding':
      'POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two lengths': 'POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    'a list of lengths': 'POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc',
    'a folded header': 'GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n',
    'a bare line feed': 'GET /v2/ HTTP/1.1\nHost: a\n\n',
    'a bare line feed in the headers': 'GET /v2/ HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n',
    'a space before the colon': 'GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n',
    'another coding': 'POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'a coding below chunked':
      'POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
    'no host': 'GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n',
    'two hosts': 'GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
    'a host that is none': 'GET /v2/ HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n',
    'an empty host': 'GET /v2/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n',
    'a body of GET': 'GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc',
    'a chunked body of DELETE':
      'DELETE /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
  }

  for (const [name, bytes] of Object.entries(ambiguous)) assert.match(await raw(bytes), /^HTTP\/1\.1 400 /, name)
  assert.equal(seen.length, 0)
})

test('a header named __proto__ does no harm', async (t) => {
  const { raw, seen } = await aWatchedDoor(t)

  const answer = await raw('GET /v2/ HTTP/1.1\r\nHost: a\r\n__proto__: b\r\nConnection: close\r\n\r\n')

  assert.match(answer, /^HTTP\/1\.1 200 /)
  assert.equal(Object.getPrototypeOf(seen[0]?.headers).b, undefined)
})

test('a head that is too large is refused', async (t) => {
  const { raw } = await aWatchedDoor(t)

  assert.match(await raw(`GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
})

test('an upgrade is not made: the request is answered as any other, or 404 where there is no route', async (t) => {
  const { raw, seen } = await aWatchedDoor(t)
  const upgrade = 'Host: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'

  const registry = await raw(`GET /v2/ HTTP/1.1\r\n${upgrade}`)
  const hub = await raw(`GET /$iothub/websocket HTTP/1.1\r\n${upgrade}`)

  assert.match(registry, /^HTTP\/1\.1 200 /)
  assert.equal(seen[0]?.headers.upgrade, undefined)
  assert.match(hub, /^HTTP\/1\.1 404 /)
})

test('an HTTP/1.0 client without a host is served, and its answer ends with the connection', async (t) => {
  const { raw, seen } = await aWatchedDoor(t)

  const answer = await raw('GET /v2/ HTTP/1.0\r\n\r\n')

  assert.match(answer, /^HTTP\/1\.1 200 /)
  assert.ok(answer.endsWith('reached'))
  assert.equal(seen[0]?.headers['x-forwarded-host'], undefined)
})

test('each request is logged without its query', async (t) => {
  const lines: string[] = []
  const log = createLog({ module: 'test', level: 'Debug', destination: { write: (line) => void lines.push(line) } })
  const registry = await aRegistry(t, (_, answer) => answer.end())
  const door = await aDoor(t, registry.port, { log })

  await ask(door.port, '/v2/app/blobs/x?sig=secret', { headers: { authorization: 'Basic c2VjcmV0' } })

  const { method, path, target, status } = JSON.parse(lines[0] ?? '')
  assert.deepEqual(
    { method, path, target, status },
    { method: 'GET', path: '/v2/app/blobs/x', target: 'registry', status: 200 }
  )
  assert.doesNotMatch(lines.join(), /secret|c2VjcmV0/)
})
