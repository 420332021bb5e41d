import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { type Fault, type RequestMatcher, serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud, syncToken, writeRights } from './parents.ts'
import { openSite } from './site.ts'
import { digestOf, first, repository, second, third } from './writing-site.ts'

const firstRounds: readonly (readonly [what: string, on: RequestMatcher, fault: Fault])[] = [
  ['a layer that does not come', { route: 'data' }, { kind: 'wrong-bytes' }],
  ['a parent that refuses to tell of the repository', { route: 'metadata' }, serverError(403)]
]

for (const [what, on, fault] of firstRounds)
  test(`${what} in the first round after the scope became wider is asked for in the second, though nothing changed above`, async (t) => {
    const { connection, cloud } = await openCloud(t, 'acr', [repository])
    for (const tag of ['1.0.0', '2.0.0']) cloud.contents.put(repository, anImage({ seed: tag }), tag)
    const site = await openSite(t, connection, [])
    const wish = site.wish([[repository, { tags: { semver: '1' } }]])
    site.engine.apply(wish)
    await site.sync()
    const rule = cloud.faults.add(on, fault)
    site.engine.apply({ ...wish, patterns: site.wish([repository]).patterns })
    assert.equal((await site.sync()).result, 'Failed')
    rule.remove()

    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['1.0.0', '2.0.0'])
    cloud.clearRequests()
    await site.sync()
    assert.equal(cloud.requests.length, 1, 'it is finished with')
  })

test('what was refused to a token that may not write is asked again with the next one, and what one parent refused by another', async (t) => {
  const [{ connection, cloud }, elsewhere] = [
    await openCloud(t, 'acr', [repository]),
    await openCloud(t, 'acr', [repository], { rights: writeRights })
  ]
  cloud.contents.put(repository, first, 'v1')
  const site = await openSite(t, connection, [repository], { mode: 'ReadWrite' })
  await site.sync()
  await site.push(repository, second, 'v2')
  await site.sync()
  assert.deepEqual(new Set(site.codes()), new Set(['CHANGE_REFUSED']))
  await site.stop()
  const { blobs, records } = site

  const another = await openSite(t, elsewhere.connection, [repository], { mode: 'ReadWrite', blobs, records })
  await another.sync()

  assert.equal(await elsewhere.tag(repository, 'v2'), digestOf(second))
  assert.deepEqual(another.codes(), [])

  await another.scope([repository], connection)
  await another.push(repository, third, 'v2')
  await another.sync()
  assert.deepEqual(new Set(another.codes()), new Set(['CHANGE_REFUSED']))
  const password = 'another=password'
  const actions = writeRights.map((right) => `repositories/${repository}/${right}`)
  cloud.tokens.set({ ...syncToken, password, actions })
  await another.scope([repository], { ...connection, syncToken: { ...syncToken, password } })
  await another.sync()

  assert.equal(cloud.contents.repository(repository)?.tags.get('v2')?.digest, digestOf(third))
  assert.deepEqual(another.codes(), [])
})

test('what was refused to one token is asked again with another one that a restart brings', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, first, 'v1')
  const site = await openSite(t, connection, [repository], { mode: 'ReadWrite' })
  await site.push(repository, second, 'v2')
  await site.sync()
  assert.deepEqual(new Set(site.codes()), new Set(['CHANGE_REFUSED']))
  await site.stop()
  const { blobs, records } = site
  const writing = { name: 'writing', password: 'another=password' }
  cloud.tokens.set({ ...writing, actions: writeRights.map((right) => `repositories/${repository}/${right}`) })

  const again = await openSite(t, { ...connection, syncToken: writing }, [repository], {
    mode: 'ReadWrite',
    blobs,
    records
  })
  await again.sync()

  assert.equal(cloud.contents.repository(repository)?.tags.get('v2')?.digest, digestOf(second))
  assert.deepEqual(again.codes(), [])
})

test('what a resync did not come to because the link broke is compared by the next round, though nothing changed above', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, first, 'v1')
  const site = await openSite(t, connection, [repository])
  await site.sync()
  await site.registry.manifests.remove(repository, digestOf(first), { origin: 'parent' })
  const rule = cloud.faults.add({ route: 'manifest' }, { kind: 'cut' })
  assert.equal((await site.resync()).result, 'Failed')
  assert.deepEqual(site.codes(), ['UNREACHABLE'])
  rule.remove()

  const { result } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.equal(await site.tag(repository, 'v1'), digestOf(first))
  cloud.clearRequests()
  await site.sync()
  assert.equal(cloud.requests.length, 1, 'it is finished with')
})
