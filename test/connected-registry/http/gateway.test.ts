import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { forwardLimits } from '../../../modules/api-proxy/src/forward.ts'
import type { Children } from '../../../modules/connected-registry/src/children/children.ts'
import { messageLimits } from '../../../modules/connected-registry/src/protocol/gateway.ts'
import { parseScopeMap } from '../../../modules/connected-registry/src/protocol/scope-map.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { aChild } from '../children/some-children.ts'
import { aToken, basic, bearerHeader, type ServedRegistry, serveRegistry } from './served-registry.ts'

const root = '/acr/gateway/v1'
const gateway = `${root}/site-a`
const instance = { 'X-Registry-Instance': 'one' }
const rights = ['config/read', 'config/write', 'message/read', 'message/write'] as const

async function aParent(t: TestContext) {
  const served = await serveRegistry(t)
  served.settings.children = [aChild(), aChild({ name: 'site-b' })]
  const syncToken = async (child: string) => ({
    ...(await aToken(
      `${child}-sync`,
      rights.map((right) => `gateway/${child}/${right}`)
    )),
    child
  })
  const thief = await aToken(
    'thief',
    rights.map((right) => `gateway/site-a/${right}`)
  )
  const expired = { ...(await syncToken('site-a')), name: 'site-a-old' }
  const passwords = expired.passwords.map((password) => ({ ...password, expiry: '2020-01-01T00:00:00Z' }))
  const syncTokens = [await syncToken('site-a'), await syncToken('site-b'), { ...expired, passwords }]
  served.settings.tokens = [...served.settings.tokens, ...syncTokens, thief]
  const child = basic('site-a-sync')
  const post = (path: string, body: unknown, headers = {}) =>
    served.send('POST', path, { ...child, ...headers }, Buffer.from(JSON.stringify(body)))
  const activate = (instanceId = 'one') => post(`${gateway}/activation`, { instanceId, version: '0.1.0' })
  const get = (path: string, headers = {}) => served.send('GET', path, { ...child, ...instance, ...headers })
  return { served, child, post, activate, get }
}

/** What the next request for messages waits for. */
function nextWait(children: Children): Promise<{ readonly page: Promise<unknown> }> {
  const { promise, resolve } = Promise.withResolvers<{ readonly page: Promise<unknown> }>()
  const { messages } = children
  Object.assign(children, {
    messages: (...asked: Parameters<Children['messages']>) => {
      const page = messages(...asked)
      resolve({ page })
      return page
    }
  })
  return promise
}

test('a registry says to everybody that it speaks the protocol, which store it is, and whether its first sync is complete', async (t) => {
  const { served } = await aParent(t)

  const answer = await served.send('GET', root)
  served.settings.isSynced = false
  const later = await served.send('GET', root, { 'X-Correlation-Id': 'abc-1' })

  assert.deepEqual([answer.status, JSON.parse(answer.text)], [200, { gateway: 1 }])
  assert.equal(answer.headers['x-registry-epoch'], 'instance-1')
  assert.equal(answer.headers['x-registry-initial-sync'], 'true')
  assert.match(answer.headers['x-correlation-id'] as string, /^[0-9a-f-]{36}$/)
  assert.equal(later.headers['x-registry-initial-sync'], 'false')
  assert.equal(later.headers['x-correlation-id'], 'abc-1')
})

test('a child activates itself once, and hears which stores are above it; another instance is refused until it is freed', async (t) => {
  const { served, activate } = await aParent(t)

  const first = await activate()
  const again = await activate()
  const other = await activate('two')

  assert.deepEqual(
    [first.status, JSON.parse(first.text)],
    [200, { name: 'site-a', ancestors: ['instance-1', 'above-1'] }]
  )
  assert.equal(again.status, 200)
  assert.deepEqual([other.status, other.code], [409, 'ALREADY_ACTIVATED'])
  assert.equal(await served.children.deactivate('SITE-A'), true)
  assert.equal((await activate('two')).status, 200)
})

test('who is not the active instance gets neither config nor messages, and its status counts for nothing', async (t) => {
  const { served, post, activate, get } = await aParent(t)
  const calls = [
    () => get(`${gateway}/config`),
    () => get(`${gateway}/messages`),
    () => post(`${gateway}/status`, aReport, instance)
  ]

  for (const call of calls) assert.equal((await call()).code, 'NOT_ACTIVATED')
  await activate('two')
  for (const call of calls) assert.deepEqual((await call()).status, 409)
  assert.equal(served.children.overview()[0]?.report, undefined)
})

test('the config is answered with its ETag, and again only when it is another one', async (t) => {
  const { served, activate, get } = await aParent(t)
  await activate()

  const first = await get(`${gateway}/config`)
  const same = await get(`${gateway}/config`, { 'If-None-Match': first.headers.etag })
  served.settings.children = [aChild({ config: { mode: 'ReadOnly', repositories: ['app/web'] } })]
  const changed = await get(`${gateway}/config`, { 'If-None-Match': first.headers.etag })

  assert.deepEqual(JSON.parse(first.text), { mode: 'ReadOnly', repositories: ['app/*'] })
  assert.deepEqual([same.status, same.text, same.headers['x-registry-epoch']], [304, '', 'instance-1'])
  assert.deepEqual(JSON.parse(changed.text), { mode: 'ReadOnly', repositories: ['app/web'] })
})

test('a message comes while the child waits, and a config message when the settings change', async (t) => {
  const { served, activate, get } = await aParent(t)
  await activate()
  const { next } = JSON.parse((await get(`${gateway}/messages`)).text)
  const { etag } = (await get(`${gateway}/config`)).headers

  const waiting = get(`${gateway}/messages?after=${next}&wait=60&config=${encodeURIComponent(etag!)}`)
  await served.hold('app/web', anImage(), 'v1')
  const page = JSON.parse((await waiting).text)
  const patient = get(`${gateway}/messages?after=${page.next}&wait=60&config=${encodeURIComponent(etag!)}`)
  served.settings.children = [aChild({ config: { mode: 'ReadOnly', repositories: [] } })]
  served.children.changed()

  assert.ok(
    page.messages.some(
      ({ repository, reference }: Record<string, string>) => `${repository}:${reference}` === 'app/web:v1'
    )
  )
  assert.deepEqual(
    JSON.parse((await patient).text).messages.map(({ kind }: { kind: string }) => kind),
    ['config']
  )
})

test('a child that waits hears at once that its parent became ReadOnly', { timeout: 20_000 }, async (t) => {
  const { served, activate, get } = await aParent(t)
  served.settings.mode = 'ReadWrite'
  await activate()
  const { next } = JSON.parse((await get(`${gateway}/messages`)).text)
  const asked = nextWait(served.children)

  const waiting = get(`${gateway}/messages?after=${next}&wait=60`)
  await asked
  served.settings.mode = 'ReadOnly'
  served.children.changed()
  const { headers, text } = await waiting

  assert.equal(headers['x-registry-mode'], 'ReadOnly')
  assert.deepEqual(JSON.parse(text), { messages: [], next })
})

test('a child that leaves while it waits is no failure, and leaves nothing behind', async (t) => {
  const { served, child, activate, get } = await aParent(t)
  await activate()
  const { next } = JSON.parse((await get(`${gateway}/messages`)).text)
  const asked = nextWait(served.children)
  const socket = connect(served.port, '127.0.0.1')
  const head = [`Host: x`, `Authorization: ${child.authorization}`, 'X-Registry-Instance: one']
  socket.write([`GET ${gateway}/messages?after=${next}&wait=60 HTTP/1.1`, ...head, '', ''].join('\r\n'))
  const { page } = await asked

  socket.destroy()

  await assert.rejects(page)
  assert.equal((await get(`${gateway}/config`)).status, 200)
  assert.doesNotMatch(served.log(), /"level":"error"/)
})

test('who is no child any more, or not the active one, hears nothing of what happens while it waits', async (t) => {
  const ends = {
    revoked: ({ settings }: ServedRegistry) => {
      settings.tokens = settings.tokens.filter((token) => token.child !== 'site-a')
    },
    removed: ({ settings }: ServedRegistry) => {
      settings.children = settings.children.filter(({ name }) => name !== 'site-a')
    },
    deactivated: ({ children }: ServedRegistry) => children.deactivate('site-a'),
    'of another scope': ({ settings }: ServedRegistry) => {
      settings.children = [aChild({ repositories: ['other/*'] })]
    }
  }
  const statuses = { revoked: 401, removed: 403, deactivated: 409, 'of another scope': 200 }
  for (const [how, end] of Object.entries(ends)) {
    const { served, activate, get } = await aParent(t)
    await activate()
    const { next } = JSON.parse((await get(`${gateway}/messages`)).text)
    const asked = nextWait(served.children)

    const waiting = get(`${gateway}/messages?after=${next}&wait=60`)
    await asked
    await end(served)
    await served.hold('app/web', anImage(), 'v1')
    served.children.close()
    const answer = await waiting

    assert.equal(answer.status, statuses[how as keyof typeof statuses], how)
    assert.doesNotMatch(answer.text, /app\/web/, how)
  }
})

test('the longest wait is over before an API proxy in between gives up', () => {
  assert.ok(messageLimits.longestWaitSeconds * 1000 + 5000 < forwardLimits.answerTimeoutMs)
})

test('an expired cursor is gone, and what is no cursor or no number is named', async (t) => {
  const { activate, get } = await aParent(t)
  await activate()

  const expired = await get(`${gateway}/messages?after=0.elsewhere`)

  assert.deepEqual([expired.status, expired.code], [410, 'MESSAGES_EXPIRED'])
  for (const query of ['after=x', 'limit=many', 'wait=-1']) {
    const answer = await get(`${gateway}/messages?${query}`)
    assert.deepEqual([answer.status, answer.code], [400, 'GATEWAY_INVALID'], query)
    assert.match(answer.text, new RegExp(query.split('=')[0]!))
  }
})

const aReport = { version: '0.1.0', connectionState: 'Unhealthy', mode: 'ReadOnly', statusDetails: [] }

test('what a child says of itself is in the overview; what is no report is refused with its problems', async (t) => {
  const { served, post, activate } = await aParent(t)
  await activate()

  const taken = await post(`${gateway}/status`, aReport, instance)
  const wrong = await post(`${gateway}/status`, { ...aReport, connectionState: 'Fine' }, instance)
  const noJson = await served.send(
    'POST',
    `${gateway}/status`,
    { ...basic('site-a-sync'), ...instance },
    Buffer.from('{')
  )

  assert.equal(taken.status, 204)
  assert.deepEqual([wrong.status, wrong.code], [400, 'GATEWAY_INVALID'])
  assert.match(wrong.text, /connectionState/)
  assert.deepEqual([noJson.status, noJson.code], [400, 'GATEWAY_INVALID'])
  const [overview, silent] = served.children.overview()
  assert.equal(overview?.connectionState, 'Unhealthy')
  assert.deepEqual(overview?.report, aReport)
  assert.deepEqual([silent?.name, silent?.connectionState, silent?.lastSeen], ['site-b', 'Offline', undefined])
})

test("a gateway is its child's alone, whatever case its name is in: not a client token's, not another child's, nobody's", async (t) => {
  const { served, activate, get } = await aParent(t)
  await activate()
  const config = `${gateway}/config`

  assert.equal((await get(`${root}/SITE-A/config`)).status, 200)
  assert.equal((await get(`${root}/site-b/config`)).status, 403)
  for (const [client, status] of [
    [basic('thief'), 403],
    [basic('site-b-sync'), 403],
    [basic('writer'), 403],
    [basic('site-a-sync', 'wrong'), 401],
    [basic('site-a-old'), 401],
    [{}, 401]
  ] as const) {
    assert.equal((await served.send('GET', config, { ...client, ...instance })).status, status)
  }
})

test('an access token for the gateway opens it, one for something else does not, and the challenge names the scope', async (t) => {
  const { served, activate } = await aParent(t)
  await activate()
  const config = `${gateway}/config`

  const good = await served.bearer('gateway:site-a:config_read', 'site-a-sync')
  const other = await served.bearer('gateway:site-a:message_read', 'site-a-sync')
  const refused = await served.send('GET', config, { ...bearerHeader(other), ...instance })

  assert.equal((await served.send('GET', config, { ...bearerHeader(good), ...instance })).status, 200)
  assert.equal(refused.status, 401)
  assert.match(refused.headers['www-authenticate']!, /scope="gateway:site-a:config_read"/)
})

test('what a child pushes is in the log as its own', async (t) => {
  const { served } = await aParent(t)
  served.settings.mode = 'ReadWrite'
  const { scopeMap } = parseScopeMap(['repositories/app/*/content/write', 'repositories/app/*/content/delete'])
  served.settings.tokens = served.settings.tokens.map((token) =>
    token.child === 'site-a' ? { ...token, scopeMap } : token
  )
  await served.hold('app/web', anImage(), 'v1')

  const answer = await served.send('DELETE', '/v2/app/web/manifests/v1', basic('site-a-sync'))

  assert.equal(answer.status, 202)
  const [last] = await served.registry.changes.read(served.registry.changes.head() - 1, 1)
  assert.equal(last?.origin, 'child:site-a')
})
