import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex, aReferrer, blobsOf, manifestsOf } from '../../fixtures/image-builder.ts'
import { openCloud, parentKinds, writeRights } from './parents.ts'
import { openSite } from './site.ts'
import { assertRest, client, digestOf, first, openPair, repository, second, third } from './writing-site.ts'

for (const kind of parentKinds) {
  test(`${kind}: what a client pushed reaches the parent whole, and once`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    const platforms = ['amd64', 'arm64'].map((architecture) => anImage({ seed: architecture }))
    const index = anIndex(platforms)
    await site.push(repository, index, 'multi')
    await site.push(repository, second, 'v2')

    const { result, sent } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.equal(sent.artifacts, 4)
    assert.equal(await parent.tag(repository, 'multi'), digestOf(index))
    assert.equal(await parent.tag(repository, 'v2'), digestOf(second))
    for (const { descriptor } of manifestsOf(index)) assert.ok(await parent.holds(repository, descriptor.digest))
    await assertRest(site)
  })

  test(`${kind}: a tag that a client moved is moved above, to where it is now and nowhere between`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v1')
    await site.push(repository, third, 'v1')

    await site.sync()

    assert.equal(await parent.tag(repository, 'v1'), digestOf(third))
    assert.ok(await parent.holds(repository, digestOf(second)), 'somebody may have pinned it')
    assert.ok(await parent.holds(repository, digestOf(first)))
    await assertRest(site)
  })

  test(`${kind}: a digest that a client deleted is deleted above, with its tags, and no other`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v2')
    await site.sync()

    await site.registry.manifests.remove(repository, digestOf(second), client)
    await site.sync()

    assert.equal(await parent.holds(repository, digestOf(second)), false)
    assert.equal(await parent.tag(repository, 'v2'), undefined)
    assert.equal(await parent.tag(repository, 'v1'), digestOf(first))
    assert.deepEqual(site.codes(), [])
    await assertRest(site)
  })

  test(`${kind}: a digest that was pushed and deleted between two rounds is no news`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v2')
    await site.registry.manifests.remove(repository, digestOf(second), client)

    const { sent } = await site.sync()

    assert.equal(sent.artifacts, 0)
    assert.equal(await parent.holds(repository, digestOf(second)), false)
    await assertRest(site)
  })

  test(`${kind}: a repository that clients made here is made above`, async (t) => {
    const pair = await openPair(t, kind, [repository, 'plant/new'])
    if (!pair) return
    const { parent, site } = pair
    await site.push('plant/new', second, '1.0')

    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.deepEqual(site.codes(), [])
    assert.equal(await parent.tag('plant/new', '1.0'), digestOf(second))
    await assertRest(site)
  })

  test(`${kind}: a site whose log was trimmed tells what changed from what was agreed on`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v1')
    await site.push(repository, third, 'v3')
    const trimmed = await site.registry.changes.trim({ before: new Date(), keep: 0 })
    assert.ok(trimmed > 0)

    await site.sync()

    assert.equal(await parent.tag(repository, 'v1'), digestOf(second))
    assert.equal(await parent.tag(repository, 'v3'), digestOf(third))
    await assertRest(site)
  })
}

for (const kind of ['acr', 'plain'] as const) {
  test(`${kind}: a repository that is gone above begins anew with what a client pushes, and the site keeps the rest`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    for (const tag of ['v2', 'v3', 'v4']) await parent.put(repository, third, tag)
    await site.sync()
    await parent.loseStore()
    await site.push(repository, second, 'new')

    for (let round = 0; round < 4; round++) await site.resync()

    assert.equal(await parent.tag(repository, 'new'), digestOf(second))
    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['new', 'v1', 'v2', 'v3', 'v4'])
    assert.deepEqual(site.codes(), [])
  })

  test(`${kind}: what was deleted on both sides and pushed here again goes up again`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    await parent.put(repository, second, 'v2')
    await site.sync()
    await site.registry.manifests.remove(repository, digestOf(first), client)
    await parent.remove(repository, digestOf(first))
    await site.push(repository, first, 'v1')

    await site.sync()

    assert.equal(await site.tag(repository, 'v1'), digestOf(first))
    assert.equal(await parent.tag(repository, 'v1'), digestOf(first))
    await assertRest(site)
  })

  test(`${kind}: an untag is one above, and the manifest stays`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    await site.registry.tags.put(repository, 'other', digestOf(first), client)
    await site.sync()

    await site.registry.tags.remove(repository, 'v1', client)
    await site.sync()

    assert.equal(await parent.tag(repository, 'v1'), undefined)
    assert.equal(await parent.tag(repository, 'other'), digestOf(first))
    assert.ok(await parent.holds(repository, digestOf(first)))
    await assertRest(site)
  })

  test(`${kind}: a referrer goes with its subject, and one attached later goes, too`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    const signature = aReferrer(second, { artifactType: 'application/vnd.example.signature' })
    const later = aReferrer(first, { artifactType: 'application/vnd.example.sbom' })
    await site.push(repository, second, 'v2')
    await site.push(repository, signature)
    await site.push(repository, later)

    await site.sync()

    assert.ok(await parent.holds(repository, digestOf(signature)))
    assert.ok(await parent.holds(repository, digestOf(later)))
    await assertRest(site)
  })

  test(`${kind}: children go before parents, layers before both, the tag last`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    const cloud = parent.cloud!
    const index = anIndex([anImage({ seed: 'child' })])
    await site.push(repository, index, 'multi')
    cloud.clearRequests()

    await site.sync()

    const puts = cloud.requests.filter(({ method }) => method === 'PUT').map(({ url }) => url)
    const [child] = index.children
    const at = (digest: string) =>
      puts.findIndex((url) => url.includes(encodeURIComponent(digest)) || url.includes(digest))
    for (const blob of child!.blobs.keys()) assert.ok(at(blob) >= 0 && at(blob) < at(digestOf(child!)))
    assert.ok(at(digestOf(child!)) < at(digestOf(index)))
    assert.equal(puts.at(-1), `/v2/${repository}/manifests/multi`)
  })

  test(`${kind}: a digest that got a new tag above is not deleted there for a client's deletion`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    await site.push(repository, second, 'v2')
    await site.sync()

    await site.registry.manifests.remove(repository, digestOf(second), client)
    await parent.put(repository, second, 'wanted')
    await site.sync()
    await site.sync()

    for (const where of [site, parent]) assert.equal(await where.tag(repository, 'wanted'), digestOf(second))
    assert.equal(await parent.tag(repository, 'v2'), undefined)
    await assertRest(site)
  })
}

test('docker-registry: an untag, which it cannot, is refused once, told, and takes nothing away', async (t) => {
  const pair = await openPair(t, 'docker-registry')
  if (!pair) return
  const { parent, site } = pair
  await site.registry.tags.remove(repository, 'v1', client)

  const { result } = await site.sync()
  const { sent } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.deepEqual(site.codes(), ['CHANGE_REFUSED'])
  const [told] = site.board.read().details
  assert.match(told?.description ?? '', /^plant\/app:v1: the parent deletes no tags, and keeps it: /)
  assert.equal(await parent.tag(repository, 'v1'), digestOf(first))
  assert.equal(await site.tag(repository, 'v1'), undefined)
  assert.equal(sent.artifacts, 0)
  await parent.put(repository, second, 'v1')
  await site.sync()
  assert.equal(await site.tag(repository, 'v1'), digestOf(second))
  assert.deepEqual(site.codes(), [])
})

test('what another repository above holds is mounted: no byte of it goes up', async (t) => {
  const { parent, site } = (await openPair(t, 'acr', [repository, 'plant/new']))!
  await site.push('plant/new', first, '1.0')

  const { sent } = await site.sync()

  assert.deepEqual(sent, { artifacts: 1, bytes: 0 })
  for (const blob of blobsOf(first).keys()) assert.ok(parent.cloud!.contents.blob('plant/new', blob))
})

test('a site says how much is to go up, and that nothing is when it is there', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  await site.push(repository, second, 'v2')
  await parent.cloud!.stop()
  await site.sync()

  const pending = site.board.read().pendingUp
  const size = [...blobsOf(second).values()].reduce((sum, { length }) => sum + length, second.manifest.bytes.length)
  assert.deepEqual(pending, { artifacts: 1, bytes: size, references: 2 })
})

test('a repository out of scope stays while it holds what the parent has not got', async (t) => {
  const { connection } = await openCloud(t, 'acr', [repository], { rights: writeRights })
  const site = await openSite(t, connection, [repository], { mode: 'ReadWrite' })
  await site.push('plant/elsewhere', second, '1.0')

  site.become('ReadOnly')
  await site.sync()

  assert.equal(await site.tag('plant/elsewhere', '1.0'), digestOf(second))
})

test('where nothing is to go up any more, no upload that was begun is remembered', async (t) => {
  const { parent, site } = (await openPair(t, 'acr'))!
  const large = anImage({ seed: 'large', layers: 1, layerSize: 9_000_000 })
  await site.push(repository, large, 'large')
  const rule = parent.cloud!.faults.add({ method: 'PATCH' }, { kind: 'answer', status: 500 })
  await site.sync()
  const begun = await site.records.list('sending:', { limit: 10 })
  rule.remove()

  await site.registry.manifests.remove(repository, digestOf(large), client)
  await site.sync()

  assert.equal(begun.length, 1)
  assert.deepEqual(await site.records.list('sending:', { limit: 10 }), [])
})

test('docker-registry: a repository that clients made under a pattern is made above', async (t) => {
  const pair = await openPair(t, 'docker-registry', ['plant/*'])
  if (!pair) return
  const { parent, site } = pair
  await site.push('plant/line/new', second, '1.0')

  const { result } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.equal(await parent.tag('plant/line/new', '1.0'), digestOf(second))
  await assertRest(site)
})
