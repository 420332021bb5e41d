import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { aDoor, aRegistry, ask, openSocket, received } from './open-door.ts'

test('a request reaches the registry with its method, target and headers, and the answer comes back whole', async (t) => {
  const seen: IncomingMessage[] = []
  const registry = await aRegistry(t, (asked, answer) => {
    seen.push(asked)
    answer.writeHead(418, [
      ...['Docker-Content-Digest', 'sha256:abc', 'Www-Authenticate', 'Basic', 'Www-Authenticate', 'Bearer realm="x"'],
      ...['Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=77', 'Link', '<a>', 'Link', '<b>']
    ])
    answer.end('a teapot')
  })
  const door = await aDoor(t, registry.port)

  const target = '/v2/app/manifests/sha256:1?a=//b&c=http:/d'
  const headers = {
    host: 'gateway:8000',
    'user-agent': 'test',
    connection: 'close, x-mine',
    'x-mine': '1',
    'x-forwarded-for': '10.9.8.7',
    'x-forwarded-proto': 'https'
  }
  const answer = await ask(door.port, target, { method: 'PUT', headers, body: 'x' })

  assert.equal(seen[0]?.method, 'PUT')
  assert.equal(seen[0]?.url, target)
  assert.deepEqual(seen[0]?.headers, {
    host: `127.0.0.1:${registry.port}`,
    'user-agent': 'test',
    'x-forwarded-host': 'gateway:8000',
    'x-forwarded-proto': 'http',
    connection: 'keep-alive',
    'content-length': '1'
  })
  assert.equal(answer.status, 418)
  assert.equal(answer.body, 'a teapot')
  assert.equal(answer.headers['docker-content-digest'], 'sha256:abc')
  assert.equal(answer.headers['www-authenticate'], 'Basic, Bearer realm="x"')
  assert.equal(answer.headers.link, '<a>, <b>')
  assert.equal(answer.headers['x-hop'], undefined)
  assert.notEqual(answer.headers['keep-alive'], 'timeout=77')
})

test('HEAD, 204 and 304 keep their headers and have no body', async (t) => {
  const registry = await aRegistry(t, (asked, answer) => {
    const status = { '/v2/head': 200, '/v2/204': 204, '/v2/304': 304 }[asked.url ?? ''] ?? 500
    answer.writeHead(status, status === 204 ? {} : { 'content-length': 12_345, etag: '"x"' }).end()
  })
  const door = await aDoor(t, registry.port)

  const head = await ask(door.port, '/v2/head', { method: 'HEAD' })
  const noContent = await ask(door.port, '/v2/204', { method: 'DELETE' })
  const notModified = await ask(door.port, '/v2/304')

  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '12345', ''])
  assert.deepEqual([noContent.status, noContent.body], [204, ''])
  assert.deepEqual([notModified.status, notModified.headers.etag, notModified.body], [304, '"x"', ''])
})

test('whether a body is wanted is asked of the registry (100-continue)', async (t) => {
  const registry = await aRegistry(t, () => assert.fail('every request here expects to be asked'))
  registry.server.on('checkContinue', async (asked: IncomingMessage, answer: ServerResponse) => {
    if (asked.url === '/v2/denied') {
      answer.writeHead(403).end()
      return
    }
    answer.writeContinue()
    answer.end(`got ${await text(asked)}`)
  })
  const door = await aDoor(t, registry.port)
  const headers = 'Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'

  const welcome = await openSocket(t, door.port)
  welcome.setEncoding('latin1').write(`PUT /v2/ HTTP/1.1\r\n${headers}`)
  const interim = await received(welcome, '\r\n\r\n')
  welcome.write('abc')
  const final = await received(welcome, 'got abc')
  const denied = await openSocket(t, door.port)
  denied.setEncoding('latin1').write(`PUT /v2/denied HTTP/1.1\r\n${headers}`)
  const refusal = await received(denied, '\r\n\r\n')

  assert.match(interim, /^HTTP\/1\.1 100 /)
  assert.match(final, /^HTTP\/1\.1 200 /)
  assert.match(refusal, /^HTTP\/1\.1 403 /)
})

test('a client of HTTP/1.0 is sent no interim answer', async (t) => {
  const registry = await aRegistry(t, () => assert.fail('every request here expects to be asked'))
  registry.server.on('checkContinue', async (asked: IncomingMessage, answer: ServerResponse) => {
    answer.writeContinue()
    answer.end(`got ${await text(asked)}`)
  })
  const { port } = registry
  const address = { host: '127.0.0.1', port }
  const module = { kind: 'module', protocol: 'http', address } as const
  const door = await aDoor(t, port, { added: [{ prefix: '/module', target: module }] })

  for (const path of ['/v2/', '/module']) {
    const client = await openSocket(t, door.port)
    client.setEncoding('latin1')
    client.write(`PUT ${path} HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`)
    assert.match(await received(client, 'got abc'), /^HTTP\/1\.1 200 /, path)
  }
})

test('connections to the registry are kept and used again', async (t) => {
  const ports = new Set<number | undefined>()
  const registry = await aRegistry(t, (asked, answer) => {
    ports.add(asked.socket.remotePort)
    asked.resume().on('end', () => answer.writeHead(200, { 'content-length': 2 }).end('ok'))
  })
  const door = await aDoor(t, registry.port)

  for (const method of ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'GET']) await ask(door.port, '/v2/', { method })

  assert.equal(ports.size, 1)
})
