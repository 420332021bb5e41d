import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeJwt } from 'jose'
import { anImage } from '../../fixtures/image-builder.ts'
import {
  type Answer,
  aToken,
  basic,
  bearerHeader,
  password,
  rawExchange,
  type ServedRegistry,
  serveRegistry
} from './served-registry.ts'

type Fields = Readonly<Record<string, string | readonly string[]>>

function formOf(fields: Fields): string {
  const pairs = Object.entries(fields).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))
  return new URLSearchParams(pairs as [string, string][]).toString()
}

function post({ send }: ServedRegistry, fields: Fields | string, path = '/acr/oauth2/token'): Promise<Answer> {
  const body = Buffer.from(typeof fields === 'string' ? fields : formOf(fields))
  return send('POST', path, { 'content-type': 'application/x-www-form-urlencoded' }, body)
}

const credentials = {
  grant_type: 'password',
  service: 'x',
  client_id: 'containerd-client',
  username: 'reader',
  password
}

interface TokenAnswer {
  readonly access_token: string
  readonly token: string
  readonly refresh_token?: string
  readonly error?: string
  readonly error_description?: string
}
const read = ({ text }: Answer) => JSON.parse(text) as TokenAnswer

test('a name and a password get an access token by POST, as containerd asks for it', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const scope = 'repository:app/web:pull,push repository:app/other:pull'

  for (const path of ['/acr/oauth2/token', '/oauth2/token']) {
    const answer = await post(served, { ...credentials, scope }, path)
    const { access_token, token, refresh_token } = read(answer)

    assert.equal(answer.status, 200)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(token, access_token)
    assert.equal(refresh_token, undefined)
    assert.deepEqual(decodeJwt(token).access, [
      { type: 'repository', name: 'app/web', actions: ['pull'] },
      { type: 'repository', name: 'app/other', actions: ['pull'] }
    ])
    assert.equal((await served.send('GET', '/v2/app/web/manifests/v1', bearerHeader(token))).status, 200)
  }
})

test('a login that is to last gets a refresh token, by GET as docker asks and by POST', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const byGet = await served.send('GET', '/acr/oauth2/token?account=reader&offline_token=true&service=x', basic())
  const byPost = await post(served, { ...credentials, access_type: 'offline' })

  for (const login of [byGet, byPost]) {
    const { refresh_token } = read(login)
    const scope = ['repository:app/web:push,pull', 'repository:other:pull']
    const form = { grant_type: 'refresh_token', refresh_token: refresh_token!, client_id: 'docker', scope }
    const refreshed = await post(served, form)

    assert.equal(refreshed.status, 200)
    const { token } = read(refreshed)
    assert.deepEqual(decodeJwt(token).access, [{ type: 'repository', name: 'app/web', actions: ['pull'] }])
    assert.equal((await served.send('GET', '/v2/app/web/manifests/v1', bearerHeader(token))).status, 200)
    // What stands for a password at this endpoint is nothing at any other.
    assert.equal((await served.send('GET', '/v2/', bearerHeader(refresh_token!))).status, 401)
  }
})

test('a refresh token and what it brought end with the password, from the next request on', async (t) => {
  const served = await serveRegistry(t)
  const before = served.settings.tokens
  const { refresh_token } = read(await post(served, { ...credentials, access_type: 'offline' }))
  const form = { grant_type: 'refresh_token', refresh_token: refresh_token! }
  const { token } = read(await post(served, form))
  const statuses = async () => [
    (await post(served, form)).status,
    (await served.send('GET', '/v2/', bearerHeader(token))).status
  ]
  assert.deepEqual(await statuses(), [200, 200])

  served.settings.tokens = before.map((one) => ({ ...one, status: 'disabled' }))
  assert.deepEqual(await statuses(), [401, 401])
  served.settings.tokens = before.map((one) => ({
    ...one,
    passwords: one.passwords.map(({ hash }) => ({ hash, expiry: '2020-01-01T00:00:00Z' }))
  }))
  assert.deepEqual(await statuses(), [401, 401])
  served.settings.tokens = []
  assert.deepEqual(await statuses(), [401, 401])
  served.settings.tokens = before
  assert.deepEqual(await statuses(), [200, 200])
  assert.match(served.log(), /"reason":"refresh token not in force"/)
  assert.ok(!served.log().includes(refresh_token!))
})

test('credentials that are wrong are told in both shapes: the registry’s and OAuth2’s', async (t) => {
  const served = await serveRegistry(t)
  served.settings.tokens = [...served.settings.tokens, { ...(await aToken('off', [])), status: 'disabled' }]
  const { token } = read(await post(served, credentials))
  const wrong: readonly Fields[] = [
    { ...credentials, password: 'wrong' },
    { ...credentials, username: 'nobody' },
    { ...credentials, username: 'off' },
    { ...credentials, username: 'reader:pass', password: 'with:colons' },
    { grant_type: 'refresh_token', refresh_token: 'a.b.c' },
    { grant_type: 'refresh_token', refresh_token: token }
  ]

  for (const fields of wrong) {
    const answer = await post(served, fields)
    assert.deepEqual([answer.status, read(answer).error], [401, 'invalid_grant'], JSON.stringify(fields))
    assert.match(answer.text, /"errors":\[\{"code":"UNAUTHORIZED"/)
    assert.match(answer.headers['www-authenticate']!, /^Basic realm=/)
  }
  assert.ok(!served.log().includes(password))
})

test('a form that asks for nothing we know is refused with what is wrong with it', async (t) => {
  const served = await serveRegistry(t)
  const { grant_type, ...noGrant } = credentials
  const manyScopes = Array.from({ length: 10_000 }, (_, at) => `r:${at}:p`).join(' ')
  const cases: readonly (readonly [Fields | string, error: string, description: RegExp])[] = [
    [{ ...credentials, grant_type: 'client_credentials' }, 'unsupported_grant_type', /password or refresh_token/],
    [{ ...credentials, grant_type: 'access_token' }, 'unsupported_grant_type', /password or refresh_token/],
    [{ ...credentials, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' }, 'unsupported_grant_type', /grant/],
    [{ ...credentials, grant_type: '__proto__' }, 'unsupported_grant_type', /password or refresh_token/],
    [noGrant, 'invalid_request', /^grant_type must be there once/],
    [
      { ...credentials, grant_type: ['password', 'refresh_token'] },
      'invalid_request',
      /^grant_type must be there once/
    ],
    [{ ...credentials, username: '' }, 'invalid_request', /^username must/],
    [{ ...credentials, password: ['a', 'b'] }, 'invalid_request', /^password must/],
    [{ grant_type: 'refresh_token' }, 'invalid_request', /^refresh_token must/],
    [{ ...credentials, scope: manyScopes.slice(0, 30_000) }, 'invalid_scope', /more than 50 scopes/],
    ['{"grant_type":"password"}', 'invalid_request', /^grant_type/],
    ['', 'invalid_request', /^grant_type/],
    ['%', 'invalid_request', /^grant_type/]
  ]

  for (const [fields, error, description] of cases) {
    const answer = await post(served, fields)
    assert.deepEqual([answer.status, read(answer).error], [400, error], JSON.stringify(fields).slice(0, 200))
    assert.match(read(answer).error_description!, description)
  }
  const binary = await served.send('POST', '/acr/oauth2/token', {}, Buffer.from([0x67, 0xff, 0xfe]))
  assert.deepEqual([binary.status, read(binary).error], [400, 'invalid_request'])
})

test('a form of odd pieces up to the limit is answered like any other', async (t) => {
  const served = await serveRegistry(t)
  const nasty = ['r:a:p ', 'a:', 'a,', '%20', '+', '(', '%', '=&', 'scope=&', 'scope=a:b:c&']

  for (const piece of nasty) {
    const filler = piece.repeat(60_000 / piece.length)
    const answer = await post(served, `grant_type=password&username=a&password=b&scope=repository:a:${filler}`)
    assert.ok([400, 401].includes(answer.status), `${piece} ${answer.status}`)
  }
})

test('a form that is too large is not read, whether it says so or not', async (t) => {
  const served = await serveRegistry(t)
  const large = Buffer.alloc(65 * 1024, 'a')

  const announced = await served.send('POST', '/acr/oauth2/token', {}, large)
  const chunked = await rawExchange(
    served.port,
    Buffer.concat([
      Buffer.from(
        `POST /acr/oauth2/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n`
      ),
      large,
      Buffer.from('\r\n0\r\n\r\n')
    ])
  )

  assert.deepEqual([announced.status, announced.code], [413, 'TOO_LARGE'])
  assert.match(chunked, /^HTTP\/1\.1 413 /)
})

test('tokens of Microsoft Entra are not exchanged, and the answer says what to do instead', async (t) => {
  const served = await serveRegistry(t)

  for (const path of ['/oauth2/exchange', '/acr/oauth2/exchange']) {
    const answer = await post(served, { grant_type: 'access_token', service: 'x', access_token: 'eyJ' }, path)
    assert.deepEqual([answer.status, read(answer).error], [400, 'unsupported_grant_type'])
    assert.match(read(answer).error_description!, /name and password of a token/)
  }
})
