import assert from 'node:assert/strict'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import test from 'node:test'
import fc from 'fast-check'
import { externalUrl } from '../../../modules/connected-registry/src/http/external-url.ts'
import { basic, type ServedRegistry, serveRegistry } from './served-registry.ts'

async function realmFor(served: ServedRegistry, headers: OutgoingHttpHeaders) {
  const answer = await served.send('GET', '/v2/', headers)
  const [, realm, service] = /realm="(.+)",service="(.+?)"/.exec(answer.headers['www-authenticate']!)!
  return { realm, service }
}

test('behind a proxy the client is sent where it came from', async (t) => {
  const served = await serveRegistry(t)

  const proxied = await realmFor(served, {
    host: 'connected-registry:8080',
    'x-forwarded-host': 'device.site:8000',
    'x-forwarded-proto': 'https'
  })
  const direct = await realmFor(served, { host: '[::1]:8080' })

  assert.deepEqual(proxied, { realm: 'https://device.site:8000/acr/oauth2/token', service: 'device.site:8000' })
  assert.deepEqual(direct, { realm: 'http://[::1]:8080/acr/oauth2/token', service: '[::1]:8080' })
})

test('forwarded headers that are repeated or malformed are passed over', async (t) => {
  const served = await serveRegistry(t)
  const nonsense = [
    { 'x-forwarded-host': ['a.example', 'b.example'] },
    { 'x-forwarded-host': 'a.example, b.example' },
    { 'x-forwarded-host': 'a.example/path' },
    { 'x-forwarded-host': 'a.example",scope="x' },
    { 'x-forwarded-host': 'user@a.example' },
    { 'x-forwarded-host': '' },
    { 'x-forwarded-host': '-' },
    { 'x-forwarded-host': 'a.example:123456' },
    { 'x-forwarded-host': 'a.example:65536' },
    { 'x-forwarded-host': '[1:2]' },
    { 'x-forwarded-host': '1.2.3.256' },
    { 'x-forwarded-proto': 'javascript' },
    { 'x-forwarded-proto': 'https, http' }
  ]

  for (const headers of nonsense) {
    const { realm } = await realmFor(served, { host: 'registry.site', ...headers })
    assert.equal(realm, 'http://registry.site/acr/oauth2/token', JSON.stringify(headers))
  }
  const { service } = await realmFor(served, { host: 'a b"c' })
  assert.equal(service, `127.0.0.1:${served.port}`)
})

test('whatever the headers, the realm is a URL of the token endpoint, and nothing is added to it', () => {
  const piece = fc.constantFrom(
    'a',
    'site',
    '.',
    '-',
    ':',
    '8000',
    '99999',
    '[',
    ']',
    '::1',
    '/',
    '@',
    '"',
    ',',
    ' ',
    '%'
  )
  const host = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc.array(piece).map((pieces) => pieces.join(''))
  )
  const headers = fc.record(
    { host, 'x-forwarded-host': host, 'x-forwarded-proto': fc.constantFrom('http', 'https', 'HTTPS', 'ftp', 'a,b') },
    { requiredKeys: [] }
  )
  const socket = { localAddress: '::1', localPort: 8080 }

  fc.assert(
    fc.property(headers, (headers) => {
      const { origin, host } = externalUrl({ headers, socket } as unknown as IncomingMessage)
      const { protocol, pathname, search, hash, username } = new URL(origin)
      assert.match(protocol, /^https?:$/)
      assert.deepEqual([pathname, search, hash, username], ['/', '', '', ''])
      assert.doesNotMatch(host, /["\\,\s/@]/)
    }),
    { numRuns: 2000 }
  )
})

test('with a login server, requests addressed to any other host are refused', async (t) => {
  const served = await serveRegistry(t, { loginServer: 'Registry.site' })
  const statusFor = async (headers: Record<string, string>) =>
    (await served.send('GET', '/v2/', { ...basic(), ...headers })).status

  const refused = await served.send('GET', '/v2/', { ...basic(), host: '192.168.0.1:8080' })

  assert.deepEqual([refused.status, refused.code], [403, 'DENIED'])
  assert.match(refused.text, /This registry answers as Registry\.site only\./)
  assert.equal(await statusFor({ host: 'registry.site' }), 200)
  assert.equal(await statusFor({ host: 'registry.site:443' }), 200)
  assert.equal(await statusFor({ host: 'inside:8080', 'x-forwarded-host': 'registry.site' }), 200)
  assert.equal(await statusFor({ host: 'registry.site:8080' }), 403)
})
