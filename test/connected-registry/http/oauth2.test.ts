import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeJwt } from 'jose'
import { anImage } from '../../fixtures/image-builder.ts'
import { aToken, basic, bearerHeader, password, serveRegistry } from './served-registry.ts'

interface TokenAnswer {
  readonly access_token: string
  readonly token: string
  readonly expires_in: number
  readonly issued_at: string
}

test('the way of every client: a challenge, an access token, the content', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const path = '/v2/app/web/manifests/v1'

  const refused = await served.send('GET', path)
  const [, realm, service, scope] = /^Bearer realm="(.+)",service="(.+)",scope="(.+)"$/.exec(
    refused.headers['www-authenticate']!
  )!
  const url = new URL(`${realm}?account=reader&service=${service}&scope=${scope}`)
  const issued = await served.send('GET', url.pathname + url.search, basic())
  const { access_token, token, expires_in, issued_at } = JSON.parse(issued.text) as TokenAnswer
  const answer = await served.send('GET', path, bearerHeader(access_token))

  assert.deepEqual([refused.status, refused.code], [401, 'UNAUTHORIZED'])
  assert.equal(refused.headers['docker-distribution-api-version'], 'registry/2.0')
  assert.equal(realm, `http://127.0.0.1:${served.port}/acr/oauth2/token`)
  assert.equal(service, `127.0.0.1:${served.port}`)
  assert.equal(scope, 'repository:app/web:pull')
  assert.equal(issued.headers['cache-control'], 'no-store')
  assert.equal(token, access_token)
  assert.ok(expires_in >= 60)
  assert.equal(Date.parse(issued_at) / 1000, decodeJwt(token).iat)
  assert.equal(answer.status, 200)
})

test('scopes may be repeated or joined by spaces, and what is not granted is left out', async (t) => {
  const served = await serveRegistry(t)
  const query = 'scope=repository:app/a:pull,push+repository:app/b:pull&scope=repository:other:pull&scope=nonsense'

  for (const path of ['/acr/oauth2/token', '/oauth2/token']) {
    const answer = await served.send('GET', `${path}?${query}`, basic('writer'))
    const { access, aud } = decodeJwt((JSON.parse(answer.text) as TokenAnswer).token)

    assert.equal(aud, 'instance-1')
    assert.deepEqual(access, [
      { type: 'repository', name: 'app/a', actions: ['pull'] },
      { type: 'repository', name: 'app/b', actions: ['pull'] }
    ])
  }
})

test('a login without a scope gets an access token that opens nothing but the base', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const login = '/acr/oauth2/token?account=reader&client_id=docker&service=x'

  const answer = await served.send('GET', login, basic())
  const bearer = bearerHeader((JSON.parse(answer.text) as TokenAnswer).token)
  const base = await served.send('GET', '/v2/', bearer)
  const manifest = await served.send('GET', '/v2/app/web/manifests/v1', bearer)

  assert.equal(JSON.parse(answer.text).refresh_token, undefined)
  assert.equal(base.status, 200)
  assert.equal(manifest.status, 401)
  assert.match(manifest.headers['www-authenticate']!, /scope="repository:app\/web:pull",error="insufficient_scope"$/)
})

test('wrong credentials get no access token, whatever is wrong with them', async (t) => {
  const served = await serveRegistry(t)
  served.settings.tokens = [...served.settings.tokens, { ...(await aToken('off', [])), status: 'disabled' }]
  const cases = [
    {},
    basic('reader', 'wrong'),
    basic('nobody'),
    basic('off'),
    basic('', password),
    { authorization: 'Basic' },
    { authorization: 'Basic !!!!' },
    { authorization: `Basic ${Buffer.from('reader').toString('base64')}` },
    { authorization: `Basic ${Buffer.from([0x72, 0x3a, 0xff, 0xfe]).toString('base64')}` },
    { authorization: `Digest ${Buffer.from(`reader:${password}`).toString('base64')}` },
    bearerHeader(await served.bearer('repository:app/web:pull'))
  ]

  for (const headers of cases) {
    const answer = await served.send('GET', '/acr/oauth2/token?scope=repository:app/web:pull', headers)

    assert.deepEqual([answer.status, answer.code], [401, 'UNAUTHORIZED'], JSON.stringify(headers))
    assert.match(answer.headers['www-authenticate']!, /^Basic realm=/)
  }
  assert.doesNotMatch(served.log(), new RegExp(password))
})

test('so many scopes that no header could carry their access token are refused by name', async (t) => {
  const served = await serveRegistry(t)
  const query = Array.from({ length: 51 }, (_, at) => `scope=repository:app/${at}:pull`).join('&')

  const answer = await served.send('GET', `/acr/oauth2/token?${query}`, basic())

  assert.deepEqual([answer.status, answer.code], [413, 'TOO_LARGE'])
  assert.match(answer.text, /more than 50 scopes/)
})

test('fifty scopes of the longest names fit into a header', async (t) => {
  const served = await serveRegistry(t)
  const tail = 'x'.repeat(249)
  const path = (at: number) => `/v2/app/${String(at).padStart(2, '0')}${tail.slice(2)}/tags/list`
  const scopes = Array.from({ length: 50 }, (_, at) => `repository:${path(at).slice(4, -10)}:*`)

  const issued = await served.send('GET', `/acr/oauth2/token?scope=${scopes.join('+')}`, basic('writer'))
  const token = (JSON.parse(issued.text) as TokenAnswer).token
  const answer = await served.send('GET', path(49), bearerHeader(token))

  assert.equal((decodeJwt(token).access as unknown[]).length, 50)
  assert.deepEqual([answer.status, answer.code], [404, 'NAME_UNKNOWN'])
})

test('scopes of odd spellings open nothing, and break nothing', async (t) => {
  const served = await serveRegistry(t)
  served.settings.tokens = [await aToken('reader', ['repositories/*/content/read'])]
  const odd = [
    'repository:../../etc:pull',
    'repository:app/../other:pull',
    'repository:app%252fweb:pull',
    'repository:APP/web:pull',
    'repository:äpp:pull',
    'repository:app//web:pull',
    'repository:__proto__:pull',
    'registry:other:*',
    'registry:catalog:pull',
    'gateway:other-site:config_read',
    'repository:app/web:fly',
    '%00',
    '%ff%fe'
  ]

  for (const scope of [...odd, odd.join('+')]) {
    const answer = await served.send('GET', `/acr/oauth2/token?scope=${encodeURI(scope)}`, basic())
    assert.equal(answer.status, 200, scope)
    assert.deepEqual(decodeJwt((JSON.parse(answer.text) as TokenAnswer).token).access, [], scope)
  }
})

test('a token that is removed or changed is refused at once, by password and by access token', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const path = '/v2/app/web/manifests/v1'
  const bearer = bearerHeader(await served.bearer('repository:app/web:pull'))
  const before = served.settings.tokens
  const statuses = async () => [
    (await served.send('GET', path, bearer)).status,
    (await served.send('GET', path, basic())).status
  ]
  assert.deepEqual(await statuses(), [200, 200])

  served.settings.tokens = before.map((token) => ({ ...token, status: 'disabled' }))
  assert.deepEqual(await statuses(), [401, 401])
  served.settings.tokens = []
  assert.deepEqual(await statuses(), [401, 401])
  served.settings.tokens = [await aToken('reader', ['repositories/other/content/read'])]
  assert.deepEqual(await statuses(), [403, 403])
  served.settings.tokens = before
  assert.deepEqual(await statuses(), [200, 200])
})

test('whoever guesses is told how long to wait, and the log says who it was without the secret', async (t) => {
  const served = await serveRegistry(t, { now: () => 1_000_000 })
  // What a client says of its own address counts for nothing.
  const elsewhere = (at: number) => ({ 'x-forwarded-for': `10.9.9.${at}`, forwarded: `for=10.9.9.${at}` })
  const guess = (at: number) => served.send('GET', '/v2/', { ...basic('reader', `guess-${at}`), ...elsewhere(at) })
  for (let at = 0; at < 10; at++) assert.equal((await guess(at)).status, 401)

  const slowed = await guess(10)

  assert.deepEqual([slowed.status, slowed.code], [429, 'TOOMANYREQUESTS'])
  assert.ok(Number(slowed.headers['retry-after']) >= 1)
  assert.match(served.log(), /"name":"reader","address":"127\.0\.0\.1","reason":"wrong password"/)
  assert.match(served.log(), /"reason":"too many failed attempts to log in"/)
  assert.doesNotMatch(served.log(), /guess-|10\.9\.9/)
})
