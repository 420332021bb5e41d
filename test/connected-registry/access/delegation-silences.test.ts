import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serverError } from '../../simulators/cloud-registry/faults.ts'
import { aCloud, aDelegatingSite, namesOf, reader } from './delegating.ts'

const tooMany = { code: 'TOOMANYREQUESTS' }

const silences = {
  'a 503': serverError(503),
  'a 403': { kind: 'answer', status: 403 },
  'a 401 of somebody else': { kind: 'answer', status: 401, body: '<html>' },
  'a 401 without a code': { kind: 'answer', status: 401, body: '{"errors":[]}' },
  'a 401 that means something else': { kind: 'answer', status: 401, body: '{"errors":[{"code":"UNAVAILABLE"}]}' },
  'a 404': { kind: 'answer', status: 404 },
  'a 429': { kind: 'answer', status: 429, body: '{"errors":[{"code":"TOOMANYREQUESTS"}]}' },
  'a redirect': { kind: 'answer', status: 307, headers: { location: 'http://127.0.0.1:1/' } },
  'a cut connection': { kind: 'cut' },
  'a token of somebody else': { kind: 'answer', status: 200, body: `{"token":"e30.${claims({ sub: 'admin' })}.x"}` },
  'a token of nobody': { kind: 'answer', status: 200, body: `{"token":"e30.${claims({})}.x"}` },
  'a token without claims': { kind: 'answer', status: 200, body: '{"token":"opaque"}' }
} as const

for (const [name, fault] of Object.entries(silences)) {
  test(`${name} is not the parent's word: it proves nothing, and takes nothing back`, async (t) => {
    const cloud = await aCloud(t)
    const site = await aDelegatingSite(t, cloud)
    await site.signIn()
    cloud.tokens.set({ ...reader, name: 'site-new' })
    cloud.faults.add({ route: 'token' }, fault)

    await assert.rejects(site.signIn('site-new', reader.password), tooMany)
    await site.signIn()
    await site.delegation.recheck()

    assert.deepEqual(namesOf(site), [reader.name])
    cloud.faults.clear()
    assert.equal(await site.signIn('site-new', reader.password), 'site-new')
    assert.equal(site.delegation.status().problem, undefined)
  })
}

test('a parent whose tokens do not say whose they are is named as the reason', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  cloud.faults.add({ route: 'token' }, silences['a token of nobody'])

  await assert.rejects(site.signIn(), tooMany)

  assert.match(
    site.delegation.status().problem ?? '',
    /cannot prove client tokens: its access token does not say whose/
  )
})

test('a parent that never tells is not asked without end, and one that fails is asked again', async (t) => {
  const cloud = await aCloud(t)
  const hour = { burst: 2, everyMs: 3_600_000 }
  const site = await aDelegatingSite(t, cloud, { limits: { name: hour, address: hour, total: hour } })
  const asked = () => cloud.requests.filter(({ route }) => route === 'token').length
  const tryThrice = async () => {
    for (const word of ['a', 'b', 'c']) await assert.rejects(site.signIn(reader.name, word), tooMany)
  }

  cloud.faults.add({ route: 'token' }, silences['a 503'])
  await tryThrice()
  assert.equal(asked(), 3)
  cloud.faults.clear()
  cloud.faults.add({ route: 'token' }, silences['a token of nobody'])
  await tryThrice()

  assert.equal(asked(), 5)
})

function claims(payload: object): string {
  return Buffer.from(JSON.stringify(payload)).toString('base64url')
}
