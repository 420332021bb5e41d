import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basic, collect, connectionTo, openParent } from './parent-rig.ts'
import { failing, json, type Script, scriptedServer, selfSigned } from './scripted-server.ts'
import { assertNoCredentials, tokenParent } from './token-parent.ts'

// The parent is `localhost`, so that each of these is another host, in whatever spelling.
const elsewhere = {
  'another name': (port: number) => `http://other.localhost:${port}/token`,
  'an address instead of the name': (port: number) => `http://127.0.0.1:${port}/token`,
  'an address in decimal': (port: number) => `http://2130706433:${port}/token`,
  'an address in hexadecimal': (port: number) => `http://0x7f000001:${port}/token`,
  'an address in octal': (port: number) => `http://0177.0.0.1:${port}/token`,
  'a short address': (port: number) => `http://127.1:${port}/token`,
  'any address': (port: number) => `http://0.0.0.0:${port}/token`,
  'IPv6 loopback': (port: number) => `http://[::1]:${port}/token`,
  'an IPv4 address in IPv6': (port: number) => `http://[::ffff:127.0.0.1]:${port}/token`,
  'the metadata service': () => 'http://169.254.169.254/metadata/identity/oauth2/token',
  'a name with a dot behind': (port: number) => `http://localhost.:${port}/token`,
  'a name in user information': (port: number) => `http://localhost@127.0.0.1:${port}/token`,
  'user information': (port: number) => `http://user:word@localhost:${port}/token`,
  'a path only': () => '/oauth2/token',
  'another scheme': () => 'file:///etc/passwd',
  'no URL': () => 'http://[',
  nothing: () => ''
}

for (const [name, realm] of Object.entries(elsewhere)) {
  test(`no credential leaves for a realm that is ${name}`, async (t) => {
    const thief = await scriptedServer(t, json(200, { token: 'stolen' }))
    const server = await tokenParent(t, { realm: () => realm(thief.port) })
    const { parent, signal } = openParent(t, `localhost:${server.port}`)

    await assert.rejects(collect(parent.repository('app').listTags(signal)), {
      code: 'REALM_REFUSED',
      retryable: false
    })

    assert.deepEqual(thief.asked, [])
    assertNoCredentials(server)
  })
}

test('no credential leaves for a realm on http when the parent is on https', async (t) => {
  const certificate = await selfSigned(t)
  const thief = await scriptedServer(t, json(200, { token: 'stolen' }))
  const challenge = { 'www-authenticate': `Bearer realm="http://localhost:${thief.port}/oauth2/token"` }
  const server = await scriptedServer(t, failing(401, 'UNAUTHORIZED', challenge), { name: 'localhost', certificate })
  const certificateAuthorities = [certificate.cert.toString()]
  const { parent, signal } = openParent(t, connectionTo(server.host, 'https'), { certificateAuthorities })

  await assert.rejects(parent.ping(signal), { code: 'REALM_REFUSED' })

  assert.deepEqual(thief.asked, [])
  assertNoCredentials(server)
})

test('the token endpoint may be at another port of the parent', async (t) => {
  const endpoint = await scriptedServer(t, json(200, { token: 'issued' }))
  const server = await tokenParent(t, { realm: () => `${endpoint.url}/oauth2/token` })
  const { parent, signal } = openParent(t, server.host)

  assert.deepEqual(await collect(parent.repository('app').listTags(signal)), ['v1'])
  assert.equal(endpoint.asked[0]?.headers.authorization, basic)
})

test('a redirect of the token endpoint is refused', async (t) => {
  const thief = await scriptedServer(t, json(200, { token: 'stolen' }))
  const redirect: Script = (_, response) => response.writeHead(307, { location: `${thief.url}/oauth2/token` }).end()
  const server = await tokenParent(t, { token: redirect })
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(collect(parent.repository('app').listTags(signal)), { code: 'REDIRECT_REFUSED' })

  assert.deepEqual(thief.asked, [])
})
