import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { answeredHeaders, forwardedHeaders, requestHead } from '../../modules/api-proxy/src/headers.ts'

const origin = { scheme: 'https', host: 'connected-registry:8080' } as const

test('the next hop is told the host and scheme that the client used, and is addressed by its own name', () => {
  const headers = forwardedHeaders({ host: 'gateway:8000', accept: '*/*' }, origin)

  assert.deepEqual(headers, {
    accept: '*/*',
    host: 'connected-registry:8080',
    'x-forwarded-host': 'gateway:8000',
    'x-forwarded-proto': 'https'
  })
})

test('what a client claims about forwarding goes no further', () => {
  const claims = {
    forwarded: 'for=10.0.0.1',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'evil',
    'x-forwarded-port': '1',
    'x-forwarded-proto': 'http',
    'x-forwarded-prefix': '/evil',
    'x-real-ip': '10.0.0.1',
    'x-ms-edge-clientcert': 'somebody'
  }

  const headers = forwardedHeaders({ host: 'gateway', ...claims }, origin)

  assert.deepEqual(Object.keys(headers).sort(), ['host', 'x-forwarded-host', 'x-forwarded-proto'])
  assert.equal(headers['x-forwarded-host'], 'gateway')
})

test('headers of one connection stay on it, and so do those that Connection lists', () => {
  const headers = forwardedHeaders(
    {
      host: 'gateway',
      connection: 'keep-alive, X-Private',
      'keep-alive': 'timeout=5',
      'x-private': '1',
      te: 'trailers'
    },
    origin
  )

  assert.deepEqual(Object.keys(headers).sort(), ['host', 'x-forwarded-host', 'x-forwarded-proto'])
})

test('Connection cannot take away what frames the message or what the door says', () => {
  const connection = 'content-length, host, x-forwarded-host, x-forwarded-proto, transfer-encoding'

  const headers = forwardedHeaders({ host: 'gateway', connection, 'content-length': '3' }, origin)

  assert.equal(headers['content-length'], '3')
  assert.equal(headers['x-forwarded-host'], 'gateway')
  assert.equal(headers['x-forwarded-proto'], 'https')
  assert.equal(forwardedHeaders({ connection, 'transfer-encoding': 'Chunked' }, origin)['transfer-encoding'], 'chunked')
})

test('Connection cannot take away what the next hop routes by or knows the client by', () => {
  const connection = 'x-ms-version, authorization'
  const headers = { connection, 'x-ms-version': '2019-12-12', authorization: 'SharedKey a:b' }

  assert.deepEqual(forwardedHeaders({ host: 'gateway', ...headers }, origin), {
    'x-ms-version': '2019-12-12',
    authorization: 'SharedKey a:b',
    'x-forwarded-host': 'gateway',
    'x-forwarded-proto': 'https',
    host: origin.host
  })
})

test('repeated headers of an answer stay repeated and in order', () => {
  const raw = ['Link', 'a', 'Connection', 'X-Hop', 'X-Hop', '1', 'Transfer-Encoding', 'chunked', 'Link', 'b']

  assert.deepEqual(answeredHeaders(raw, 'X-Hop'), ['Link', 'a', 'Link', 'b'])
})

test('no header of one connection passes, whatever Connection holds', () => {
  const name = fc.constantFrom<string>(
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'upgrade',
    'proxy-connection',
    'x-a',
    'x-b'
  )
  const header = fc.tuple(name, fc.string())

  fc.assert(
    fc.property(fc.array(header), fc.array(name), (pairs, listed) => {
      const connection = listed.join(' , ').toUpperCase()
      const kept = answeredHeaders(pairs.flat(), connection).filter((_, i) => i % 2 === 0)
      return kept.every((one) => one.startsWith('x-') && !listed.includes(one))
    })
  )
})

test('the head of a request is written line by line, and not at all where something could end a line', () => {
  const asked = {
    method: 'PUT',
    url: '/v2/a?b=c',
    rawHeaders: [] as string[],
    headers: { host: 'gateway', 'x-a': 'b' }
  }
  const head = (changes: object) => requestHead({ ...asked, ...changes } as unknown as IncomingMessage, origin)

  const lines = ['host: connected-registry:8080', 'x-a: b', 'x-forwarded-host: gateway', 'x-forwarded-proto: https']
  assert.equal(head({}), `PUT /v2/a?b=c HTTP/1.1\r\n${lines.join('\r\n')}\r\nconnection: keep-alive\r\n\r\n`)
  for (const text of ['a\rb', 'a\nb', 'a\0b', 'a\u0100b']) {
    assert.equal(head({ headers: { 'x-a': text } }), undefined)
    assert.equal(head({ url: `/v2/?${text}` }), undefined)
  }
  assert.equal(head({ url: '/v2/a HTTP/1.1' }), undefined)
})
