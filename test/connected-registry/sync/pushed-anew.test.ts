import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseConnectionString } from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anIndex } from '../../fixtures/image-builder.ts'
import type { RequestMatcher } from '../../simulators/cloud-registry/faults.ts'
import { connectionString } from '../../simulators/world.ts'
import { aToken, password, serveRegistry } from '../http/served-registry.ts'
import { collect } from '../parent/parent-rig.ts'
import { openCloud, type TestParent, writeRights } from './parents.ts'
import { openSite, type TestSite } from './site.ts'
import { assertRest, client, digestOf, first, openPair, repository, second, third } from './writing-site.ts'

type Above = Pick<TestParent, 'connection' | 'put' | 'remove' | 'tag' | 'holds'>

/** One of our own, to which clients push as well. */
async function openOurs(t: TestContext): Promise<Above> {
  const { port, registry, settings, hold } = await serveRegistry(t)
  settings.mode = 'ReadWrite'
  const actions = writeRights.map((right) => `repositories/${repository}/${right}`)
  settings.tokens = [...settings.tokens, await aToken('site-a', actions)]
  return {
    connection: parseConnectionString(connectionString({ name: 'site-a', password }, `127.0.0.1:${port}`), {}),
    put: hold,
    remove: async (name, digest) => void (await registry.manifests.remove(name, digest, client)),
    tag: async (name, tag) => (await registry.tags.get(name, tag))?.digest,
    holds: async (name, digest) => (await registry.manifests.stat(name, { kind: 'digest', digest })) !== undefined
  }
}

const parents: Readonly<Record<string, (t: TestContext) => Promise<Above>>> = {
  acr: (t) => openCloud(t, 'acr', [repository], { rights: writeRights }),
  'connected registry': openOurs
}

const remove = (site: TestSite, image = first) => site.registry.manifests.remove(repository, digestOf(image), client)
const agree = (site: TestSite) => site.sync()

/** Both sides hold two images, each with a tag. */
async function openAgreed(t: TestContext, open: (t: TestContext) => Promise<Above>) {
  const parent = await open(t)
  await parent.put(repository, first, 'v1')
  await parent.put(repository, second, 'v2')
  const site = await openSite(t, parent.connection, [repository], { mode: 'ReadWrite' })
  await agree(site)
  return { parent, site }
}

for (const [kind, open] of Object.entries(parents)) {
  test(`${kind}: what a client deleted here comes back where it was deleted and pushed again above meanwhile`, async (t) => {
    const { parent, site } = await openAgreed(t, open)
    for (const image of [first, second]) await remove(site, image)
    await parent.remove(repository, digestOf(first))
    await parent.put(repository, first, 'v1')

    await agree(site)

    for (const side of [parent, site]) {
      assert.equal(await side.tag(repository, 'v1'), digestOf(first))
      assert.equal(await side.holds(repository, digestOf(second)), false, 'that was deleted, and no more')
    }
    await assertRest(site)
  })

  test(`${kind}: what was pushed again above while it was here is deleted there with a client's next deletion`, async (t) => {
    const { parent, site } = await openAgreed(t, open)
    await parent.remove(repository, digestOf(first))
    await parent.put(repository, first, 'v1')
    await agree(site)

    await remove(site)
    await agree(site)

    for (const side of [parent, site]) assert.equal(await side.holds(repository, digestOf(first)), false)
    await assertRest(site)
  })

  test(`${kind}: what went up from here does not come back after a deletion, whoever deleted it above before`, async (t) => {
    const { parent, site } = await openAgreed(t, open)
    await parent.remove(repository, digestOf(first))
    const index = anIndex([first])
    await site.push(repository, index, 'mine')
    await agree(site)
    assert.ok(await parent.holds(repository, digestOf(first)), 'with the index that a client pushed here')

    await remove(site, index)
    await remove(site)
    await agree(site)
    await agree(site)

    for (const side of [parent, site])
      for (const image of [first, index]) assert.equal(await side.holds(repository, digestOf(image)), false)
    await assertRest(site)
  })
}

for (const [kind, open] of Object.entries(parents))
  test(`${kind}: one tag and one manifest are told by name as in the lists`, async (t) => {
    const parent = await open(t)
    await parent.put(repository, first, 'v1')
    const site = await openSite(t, parent.connection, [repository])
    const above = site.wish([repository]).parent!.repository(repository)

    const tags = await collect(above.tagEntries(t.signal))
    const manifests = await collect(above.manifestEntries(t.signal))

    assert.deepEqual([await above.tagEntry('v1', t.signal)], tags)
    assert.deepEqual([await above.manifestEntry(digestOf(first), t.signal)], manifests)
    assert.ok(tags[0]?.lastUpdateTime && manifests[0]?.createdTime)
    assert.equal(await above.tagEntry('v2', t.signal), undefined)
    assert.equal(await above.manifestEntry(digestOf(second), t.signal), undefined)
  })

test('acr: a tag that a client removed here comes back where it was put there again above meanwhile', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  await site.registry.tags.remove(repository, 'v1', client)
  await parent.put(repository, third, 'v1')
  await parent.put(repository, first, 'v1')

  await site.sync()

  for (const side of [parent, site]) assert.equal(await side.tag(repository, 'v1'), digestOf(first))
  await assertRest(site)
})

test('acr: a digest is not deleted above with a tag that was put on it again there', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  await remove(site)
  await parent.put(repository, first, 'v1')
  const broken = { path: /blobs\/|manifests\//, method: 'GET' }
  parent.cloud!.faults.add(broken, { kind: 'answer', status: 404 })

  await site.sync()
  assert.equal(await parent.tag(repository, 'v1'), digestOf(first))
  parent.cloud!.faults.clear()
  await site.sync()

  for (const side of [parent, site]) assert.equal(await side.tag(repository, 'v1'), digestOf(first))
  await assertRest(site)
})

/** A round that is to delete `first` above; `change` happens there while it sends another image. */
async function amidSending(t: TestContext, change: (parent: TestParent) => unknown) {
  const { parent, site } = (await openPair(t, 'acr'))!
  const cloud = parent.cloud!
  await remove(site)
  await site.push(repository, third, 'v3')
  const pushing = { method: 'PUT', path: /manifests\/v3$/ }
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  cloud.faults.add(pushing, { kind: 'hang', until }, { times: 1 })
  const asked = cloud.nextRequest(pushing, t.signal)
  const round = site.sync()
  await asked
  await change(parent)
  goOn()
  await round
  return { parent, site }
}

test('acr: what is deleted and pushed again above while a round sends other things stays, and comes back', async (t) => {
  const { parent, site } = await amidSending(t, async (above) => {
    await above.remove(repository, digestOf(first))
    await above.put(repository, first, 'v1')
  })

  for (const side of [parent, site]) assert.equal(await side.tag(repository, 'v1'), digestOf(first))
  await site.sync()
  await assertRest(site)
})

test('acr: a digest that gets a tag above while a round sends other things is not deleted there, and comes back', async (t) => {
  const { parent, site } = await amidSending(t, ({ cloud }) =>
    cloud!.contents.tag(repository, 'wanted', digestOf(first))
  )
  await site.sync()

  for (const side of [parent, site]) assert.equal(await side.tag(repository, 'wanted'), digestOf(first))
  await assertRest(site)
})

test('acr: a deletion asks once more, with the time of creation, and at a parent that tells it in lists alone as ever', async (t) => {
  for (const status of [200, 404]) {
    const { parent, site } = (await openPair(t, 'acr'))!
    const cloud = parent.cloud!
    await parent.put(repository, second, 'v2')
    await site.sync()
    const byName = { path: /_manifests\/sha256/, method: 'GET' }
    await remove(site, second)
    cloud.faults.add(byName, { kind: 'answer', status: 503 })

    await site.sync()
    assert.ok(await parent.holds(repository, digestOf(second)), 'it waits for what the parent cannot say just now')

    cloud.faults.clear()
    if (status !== 200) cloud.faults.add(byName, { kind: 'answer', status })
    cloud.clearRequests()
    await site.sync()

    assert.equal(await parent.holds(repository, digestOf(second)), false)
    const about = cloud.requests.filter(({ url }) => url.endsWith(digestOf(second)))
    const asked = about.map(({ method, route }) => `${method} ${route}`)
    const last = status === 200 ? [] : ['HEAD manifest']
    assert.deepEqual(asked, ['GET metadata', ...last, 'DELETE manifest'])
    assert.equal(await site.tag(repository, 'v1'), digestOf(first))
  }
})

test('acr: it comes back also where clients change the tag here while it comes', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  const cloud = parent.cloud!
  await site.registry.tags.remove(repository, 'v1', client)
  await parent.put(repository, third, 'v1')
  await parent.put(repository, first, 'v1')
  const held = async (matcher: RequestMatcher, meanwhile: () => Promise<unknown>) => {
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
    cloud.faults.add(matcher, { kind: 'hang', until }, { times: 1 })
    await cloud.nextRequest(matcher, t.signal)
    await meanwhile()
    goOn()
  }
  const coming = held({ path: new RegExp(`referrers/${digestOf(first)}`) }, () => site.push(repository, second, 'v1'))

  const round = site.sync()
  await coming
  await held({ method: 'HEAD', path: /manifests\/v1$/ }, () => site.registry.tags.remove(repository, 'v1', client))
  await round
  await site.sync()

  for (const side of [parent, site]) assert.equal(await side.tag(repository, 'v1'), digestOf(first))
  await assertRest(site)
})

test('acr: what was agreed on before its creation was kept is deleted as ever, and its creation is learned at the next look', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  await parent.put(repository, second, 'v2')
  await site.sync()
  const known = await site.bases.readAny(repository)
  for (const [reference, { digest, epoch }] of known)
    await site.records.commit({ put: [[keys.base(repository, reference), { digest, epoch }]] })
  await remove(site, second)

  await site.sync()

  assert.equal(await parent.holds(repository, digestOf(second)), false)
  const learned = await site.bases.readAny(repository)
  assert.deepEqual([...learned.keys()].sort(), ['v1', digestOf(first)].sort())
  for (const [reference, base] of learned) assert.deepEqual(base, known.get(reference))
})
