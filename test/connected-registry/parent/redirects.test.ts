import assert from 'node:assert/strict'
import { test } from 'node:test'
import { content, layer, ranged, whole } from './a-layer.ts'
import { basic, bytesOf, connectionTo, openParent } from './parent-rig.ts'
import { failing, inTurn, type Script, type ScriptedServer, scriptedServer, selfSigned } from './scripted-server.ts'

function redirectTo(location: string, status = 307): Script {
  return (_, response) => response.writeHead(status, { location, 'set-cookie': 'session=1' }).end('moved')
}

/** Demands Basic, as the login server does, before it goes on. */
function guarded(script: Script): Script {
  return (request, response) => {
    const isOpen = request.headers.authorization === basic
    const next = isOpen ? script : failing(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="parent"' })
    next(request, response)
  }
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`a redirect (${status}) is followed with the range and without credentials or cookies`, async (t) => {
    const storage = await scriptedServer(t, ranged, { name: 'localhost' })
    const server = await scriptedServer(t, guarded(redirectTo(`${storage.url}/layer?sig=planted`, status)))
    const { parent, signal } = openParent(t, connectionTo(server.host, 'http', storage.host))

    const blob = await parent.repository('app').blob(layer, 4, signal)

    assert.equal(blob.start, 4)
    assert.deepEqual(await bytesOf(blob.bytes), content.subarray(4))
    const [asked] = storage.asked
    assert.equal(asked?.headers.range, 'bytes=4-')
    assert.equal(asked?.headers.authorization, undefined)
    assert.equal(asked?.headers.cookie, undefined)
  })
}

test('a redirect within the parent goes without credentials too', async (t) => {
  const server = await scriptedServer(t, (request, response) => {
    const script = request.url === '/stored' ? whole : guarded(redirectTo('/stored'))
    script(request, response)
  })
  const { parent, signal } = openParent(t, server.host)

  const blob = await parent.repository('app').blob(layer, 0, signal)

  assert.deepEqual(await bytesOf(blob.bytes), content)
  assert.equal(server.asked.find(({ target }) => target === '/stored')?.headers.authorization, undefined)
})

test('an expired link is asked for again at the parent, and gets no credentials for its 401', async (t) => {
  const challenge = { 'www-authenticate': 'Basic realm="storage"' }
  const storage = await scriptedServer(t, inTurn(failing(401, 'UNAUTHORIZED', challenge), whole), { name: 'localhost' })
  const server = await scriptedServer(t, guarded(redirectTo(`${storage.url}/layer?sig=planted`)))
  const { parent, signal } = openParent(t, connectionTo(server.host, 'http', storage.host))

  const blob = await parent.repository('app').blob(layer, 0, signal)

  assert.deepEqual(await bytesOf(blob.bytes), content)
  assert.deepEqual(
    storage.asked.map(({ headers }) => headers.authorization),
    [undefined, undefined]
  )
})

test('a link that never works is a retryable error which keeps its signature to itself', async (t) => {
  const storage = await scriptedServer(t, failing(403, 'AUTHENTICATIONFAILED'), { name: 'localhost' })
  const server = await scriptedServer(t, redirectTo(`${storage.url}/layer?sig=planted`))
  const { parent, signal, logged } = openParent(t, connectionTo(server.host, 'http', storage.host))

  const error = await parent
    .repository('app')
    .blob(layer, 0, signal)
    .catch((error: Error) => error)

  assert.ok(error instanceof Error && 'code' in error && 'retryable' in error)
  assert.equal(error.code, 'LINK_EXPIRED')
  assert.equal(error.retryable, true)
  assert.equal(storage.asked.length, 2)
  assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}${logged()}`, /planted/)
})

// The parent is `localhost`: none of these is one of its hosts.
const elsewhere = {
  'another name': (port: number) => `http://storage.localhost:${port}/layer`,
  'loopback by its address': (port: number) => `http://127.0.0.1:${port}/layer`,
  'loopback in decimal': (port: number) => `http://2130706433:${port}/layer`,
  'loopback in hexadecimal': (port: number) => `http://0x7f.1:${port}/layer`,
  'any address': (port: number) => `http://0.0.0.0:${port}/layer`,
  'IPv6 loopback': (port: number) => `http://[::1]:${port}/layer`,
  'an IPv4 address in IPv6': (port: number) => `http://[::ffff:7f00:1]:${port}/layer`,
  'the metadata service': () => 'http://169.254.169.254/metadata/instance',
  'a private address': () => 'http://10.0.0.1/layer',
  'a host relative to the scheme': (port: number) => `//127.0.0.1:${port}/layer`,
  'a host behind backslashes': (port: number) => `\\\\127.0.0.1:${port}\\layer`,
  'user information': (port: number) => `http://localhost@127.0.0.1:${port}/layer`,
  'storage that looks like Azure': () => 'http://blob.core.windows.net.evil.test/layer',
  'another scheme': () => 'file:///etc/passwd',
  nowhere: () => 'http://['
}

for (const [name, location] of Object.entries(elsewhere)) {
  test(`a redirect to ${name} is refused`, async (t) => {
    const other = await scriptedServer(t, whole)
    const server = await scriptedServer(t, redirectTo(location(other.port)))
    const { parent, signal } = openParent(t, `localhost:${server.port}`)

    await assert.rejects(parent.repository('app').blob(layer, 0, signal), {
      code: 'REDIRECT_REFUSED',
      retryable: false
    })

    assert.deepEqual(other.asked, [])
  })
}

test('a redirect from https to http is refused, at every hop', async (t) => {
  const certificate = await selfSigned(t)
  const plain = await scriptedServer(t, whole, { name: 'localhost' })
  const secure = await scriptedServer(t, redirectTo(plain.url), { name: 'localhost', certificate })
  const first = await scriptedServer(t, redirectTo(secure.url), { name: 'localhost' })
  const options = { certificateAuthorities: [certificate.cert.toString()] }
  const onHttps = openParent(t, connectionTo(secure.host, 'https'), options)
  const onHttp = openParent(t, connectionTo(first.host, 'http'), options)

  await assert.rejects(onHttps.parent.repository('app').blob(layer, 0, t.signal), { code: 'REDIRECT_REFUSED' })
  await assert.rejects(onHttp.parent.repository('app').blob(layer, 0, t.signal), { code: 'REDIRECT_REFUSED' })

  assert.equal(secure.asked.length, 2)
  assert.deepEqual(plain.asked, [])
})

test('redirects are followed five times at most', async (t) => {
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const hop = Number(/^\/hop\/(\d)/.exec(request.url ?? '')?.[1] ?? 0)
    const script = hop === 5 ? whole : redirectTo(`/hop/${hop + 1}`)
    script(request, response)
  })
  const circle = await scriptedServer(t, redirectTo('/again'))
  const five = openParent(t, server.host)
  const endless = openParent(t, circle.host)

  const blob = await five.parent.repository('app').blob(layer, 0, t.signal)
  assert.deepEqual(await bytesOf(blob.bytes), content)
  await assert.rejects(endless.parent.repository('app').blob(layer, 0, t.signal), { code: 'REDIRECT_REFUSED' })
  assert.equal(circle.asked.length, 6)
})
