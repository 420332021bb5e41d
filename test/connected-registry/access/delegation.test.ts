import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorize } from '../../../modules/connected-registry/src/access/authorize.ts'
import type { Identity } from '../../../modules/connected-registry/src/access/tokens.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { aCloud, aDelegatingSite, type DelegatingSite, namesOf, reader } from './delegating.ts'
import { aToken } from './some-tokens.ts'

const dayMs = 24 * 3_600_000
const tooMany = { code: 'TOOMANYREQUESTS' }
const known = [reader.name]

const tokenRequests = ({ requests }: Awaited<ReturnType<typeof aCloud>>) =>
  requests.filter(({ route }) => route === 'token').length

async function may(site: DelegatingSite, repository: string, action: 'content/read' | 'content/write') {
  const identity: Identity | undefined = await site.access.signIn({ ...reader, address: '127.0.0.1' })
  return authorize({ identity, action, repository, mode: 'ReadWrite' }).kind
}

test('a name on the list is let in with what the parent grants in our scope, and nothing more', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)

  assert.equal(await site.signIn(), reader.name)

  assert.equal(await may(site, 'demo/app', 'content/read'), 'allowed')
  assert.equal(await may(site, 'demo/never-pulled', 'content/read'), 'allowed')
  assert.equal(await may(site, 'demo/app', 'content/write'), 'denied')
  assert.equal(await may(site, 'other', 'content/read'), 'denied', 'the parent does not grant it')
  assert.equal(await may(site, 'demo/elsewhere', 'content/read'), 'denied', 'it is not in our scope')
  assert.deepEqual(site.delegation.status(), {
    tokens: [
      {
        name: reader.name,
        provedAt: '2026-01-01T00:00:00.000Z',
        keptUntil: '2026-01-08T00:00:00.000Z',
        repositories: 2
      }
    ]
  })
})

test('a name that is not on the list, or is configured here, is never asked about', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  cloud.tokens.set({ ...reader, name: 'line-1' })
  site.configured = [await aToken({ name: reader.name, status: 'disabled' })]

  assert.equal(await site.signIn('line-1', reader.password), undefined)
  assert.equal(await site.signIn(), undefined)

  assert.deepEqual(cloud.requests, [])
})

test('one that was proved is let in without the parent, also after a restart, until its time is over', async (t) => {
  const cloud = await aCloud(t)
  const before = await aDelegatingSite(t, cloud)
  await before.signIn()
  await before.stop()
  await cloud.stop()
  const { records, connection } = before
  const site = await aDelegatingSite(t, cloud, { records, connection })

  assert.equal(await site.signIn(), reader.name)
  assert.equal(await may(site, 'demo/never-pulled', 'content/read'), 'allowed')
  site.advance(7 * dayMs - 1)
  assert.equal(await site.signIn(), reader.name)
  assert.deepEqual(site.waits, [], 'nobody waited for the parent')
  site.advance(1)
  await assert.rejects(site.signIn(), tooMany)
  assert.deepEqual(site.waits, [2000], 'it is like a name never seen')
})

test('the store is told of a record that is to come while the parent says what it grants, and of none where it refuses', async (t) => {
  const cloud = await aCloud(t)
  const calls: string[] = []
  const kept = createMemoryRecordStore()
  const records: RecordStore = {
    ...kept,
    wake: () => void calls.push('wake'),
    commit(batch) {
      calls.push('commit')
      return kept.commit(batch)
    }
  }
  const site = await aDelegatingSite(t, cloud, { records })
  calls.length = 0

  assert.equal(await site.signIn(reader.name, 'wrong'), undefined)
  assert.deepEqual(calls, [])
  assert.equal(await site.signIn(), reader.name)

  assert.deepEqual(calls, ['wake', 'commit'])
})

test('only the hash of a password is on record', async (t) => {
  const site = await aDelegatingSite(t, await aCloud(t))
  await site.signIn()

  const page = JSON.stringify(await site.records.list('', { limit: 100 }))

  assert.match(page, /scrypt\$/)
  for (const text of [page, site.logged(), JSON.stringify(site.delegation.status())]) {
    assert.equal(text.includes(reader.password), false)
    assert.equal(text.includes(Buffer.from(`${reader.name}:${reader.password}`).toString('base64')), false)
  }
  assert.doesNotMatch(JSON.stringify(site.delegation.status()) + site.logged(), /scrypt/)
})

test('a token that the parent takes back is refused after its next use', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  await site.signIn()
  cloud.tokens.remove(reader.name)

  assert.equal(await site.signIn(), reader.name, 'nobody waits for the parent')
  await site.delegation.recheck()

  assert.deepEqual(namesOf(site), [])
  assert.equal(await site.signIn(), undefined)
  assert.match(site.logged(), /client token revoked by the parent/)
  assert.doesNotMatch(JSON.stringify(await site.records.list('delegated:', { limit: 10 })), /scrypt/)
})

test('an access token ends with the token that it was issued for', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  const login = { ...reader, address: '127.0.0.1' }
  const issued = await site.access.issue(login, { scopes: [], mode: 'ReadOnly', offline: true })
  assert.equal((await site.access.recognize(issued!.accessToken))?.name, reader.name)
  cloud.tokens.remove(reader.name)

  await site.access.issue({ refreshToken: issued!.refreshToken!, address: '' }, { scopes: [], mode: 'ReadOnly' })
  await site.delegation.recheck()

  assert.equal(await site.access.recognize(issued!.accessToken), undefined)
  const again = site.access.issue(
    { refreshToken: issued!.refreshToken!, address: '' },
    { scopes: [], mode: 'ReadOnly' }
  )
  assert.equal(await again, undefined)
})

test('a use is checked at once where the last word of the parent is a minute old', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  await site.signIn()
  cloud.tokens.remove(reader.name)
  site.advance(60_000)

  const revoked = site.changed()
  await site.signIn()
  await revoked

  assert.deepEqual(namesOf(site), [])
})

test('a wrong password is refused by the parent, once for all who try it, and changes nothing', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)

  assert.equal(await site.signIn('site-none', 'wrong'), undefined)
  await site.signIn()
  const asked = tokenRequests(cloud)
  await assert.rejects(site.signIn(reader.name, 'wrong'), tooMany, 'a known name is not waited for')
  assert.deepEqual(namesOf(site), known)
  assert.equal(await site.signIn(), reader.name)
  assert.ok(tokenRequests(cloud) <= asked + 1)
})

test('a second password of a known name is proved in the background, and the first one stays', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  await site.signIn()
  cloud.tokens.set({ ...reader, password: 'the second one' })

  const proved = site.changed()
  await assert.rejects(site.signIn(reader.name, 'the second one'), tooMany)
  await proved

  assert.equal(await site.signIn(reader.name, 'the second one'), reader.name)
  assert.equal(await site.signIn(), reader.name)
  await site.delegation.recheck()
  assert.equal(await site.signIn(reader.name, 'the second one'), reader.name, 'the parent refused the first one only')
  assert.deepEqual(namesOf(site), known)
})

test('a parent that hangs is waited for two seconds, and its late word counts', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  const { promise: over, resolve: goOn } = Promise.withResolvers<void>()
  cloud.faults.add({ route: 'token' }, { kind: 'hang', until: over }, { times: 1 })
  site.patience = 'over'

  await assert.rejects(site.signIn(), { ...tooMany, message: /is being asked whether this token is valid/ })
  assert.deepEqual(site.waits, [2000])
  const proved = site.changed()
  goOn()
  await proved

  assert.equal(await site.signIn(), reader.name)
  assert.deepEqual(site.waits, [2000])
})

test('many who wait for one credential share one question', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)

  const all = await Promise.all(Array.from({ length: 6 }, () => site.signIn()))

  assert.deepEqual(all, Array(6).fill(reader.name))
  assert.equal(tokenRequests(cloud), 2, 'one for the credential, one for its grants')
})

test('who guesses asks the parent a few times only: by address, by name and in total', async (t) => {
  const cloud = await aCloud(t)
  const hour = 3_600_000
  const limits = {
    name: { burst: 2, everyMs: hour },
    address: { burst: 3, everyMs: hour },
    total: { burst: 5, everyMs: hour }
  }
  const site = await aDelegatingSite(t, cloud, { limits })

  for (const word of ['a', 'b']) assert.equal(await site.signIn('site-one', word, '10.0.0.1'), undefined)
  await assert.rejects(site.signIn('site-one', 'c', '10.0.0.2'), tooMany, 'the name')
  assert.equal(await site.signIn('site-two', 'a', '10.0.0.1'), undefined)
  await assert.rejects(site.signIn('site-three', 'a', '10.0.0.1'), tooMany, 'the address')
  for (const name of ['site-four', 'site-five']) assert.equal(await site.signIn(name, 'a', name), undefined)
  await assert.rejects(site.signIn('site-six', 'a', '10.0.0.3'), tooMany, 'all together')

  assert.equal(tokenRequests(cloud), 5)
  assert.equal(
    await site.signIn('site-one', 'a', '10.0.0.1'),
    undefined,
    'what is known to be wrong is not asked again'
  )
  assert.equal(tokenRequests(cloud), 5)
})

test('what the parent grants follows our scope and its own changes', async (t) => {
  const cloud = await aCloud(t)
  const site = await aDelegatingSite(t, cloud)
  await site.signIn()

  site.repositories = ['demo/app', 'demo/later']
  await site.signIn()
  await site.delegation.recheck()
  assert.equal(await may(site, 'demo/later', 'content/read'), 'allowed')
  assert.equal(await may(site, 'demo/never-pulled', 'content/read'), 'denied')

  cloud.tokens.set({ ...reader, actions: ['repositories/demo/app/content/read'] })
  site.advance(5 * 60_000)
  await site.signIn()
  await site.delegation.recheck()
  assert.equal(await may(site, 'demo/later', 'content/read'), 'denied')
  assert.equal(await may(site, 'demo/app', 'content/read'), 'allowed')
})

test('another parent does not stand for what this one said', async (t) => {
  const before = await aDelegatingSite(t, await aCloud(t))
  await before.signIn()
  const other = await aCloud(t)
  other.tokens.remove(reader.name)

  const site = await aDelegatingSite(t, other, { records: before.records })

  assert.deepEqual(namesOf(site), [])
  assert.equal(await site.signIn(), undefined)
})

test('a name that leaves the list is refused at once', async (t) => {
  const site = await aDelegatingSite(t, await aCloud(t))
  await site.signIn()

  site.rules = { ...site.rules, names: ['line-*'] }

  assert.equal(await site.signIn(), undefined)
  assert.deepEqual(namesOf(site), [])
})

test('a record that cannot be read lets nobody in, and is written anew', async (t) => {
  const cloud = await aCloud(t)
  const before = await aDelegatingSite(t, cloud)
  await before.records.commit({ put: [[`delegated:${reader.name}`, { name: reader.name, passwords: 'all' }]] })

  const site = await aDelegatingSite(t, cloud, { records: before.records })

  assert.deepEqual(namesOf(site), [])
  assert.equal(await site.signIn(), reader.name)
})
