import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex, aReferrer, type BuiltImage } from '../../fixtures/image-builder.ts'
import { type Fault, serverError } from '../../simulators/cloud-registry/faults.ts'
import { connectionTo, openCloud } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const images = ['a', 'b', 'c', 'd', 'e'].map((seed) => anImage({ seed }))

for (const kind of ['acr', 'plain'] as const) {
  test(`${kind}: a parent that suddenly lacks most of a repository is believed the second time`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `1.${index}`)
    const site = await openSite(t, connection, [repository])
    await site.sync()
    for (const image of images.slice(1)) cloud.contents.deleteManifest(repository, digestOf(image))

    const first = await site.sync()
    const [codes, kept] = [site.codes(), await site.registry.tags.list(repository, { limit: 10 })]
    const second = await site.sync()

    assert.deepEqual([first.result, first.removed, codes, kept.length], ['Failed', 0, ['PARENT_SHRUNK'], 5])
    assert.deepEqual([second.result, site.codes()], ['Succeeded', []])
    assert.equal(second.removed, kind === 'acr' ? 8 : 4, 'tags, and where manifests are listed these as well')
    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['1.0'])
  })

  test(`${kind}: a parent that takes back what it said is believed at once`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    const push = () => {
      for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `1.${index}`)
    }
    const shrink = () => {
      for (const image of images.slice(1)) cloud.contents.deleteManifest(repository, digestOf(image))
    }
    push()
    const site = await openSite(t, connection, [repository])
    await site.sync()

    shrink()
    await site.sync()
    push()
    await site.sync()
    shrink()
    const again = await site.sync()

    assert.deepEqual([again.removed, site.codes()], [0, ['PARENT_SHRUNK']])
  })

  test(`${kind}: another parent removes nothing, neither empty nor with a part of it`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    const another = await openCloud(t, kind, [repository])
    for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `1.${index}`)
    const site = await openSite(t, connection, [repository])
    await site.sync()

    await site.scope([repository], connectionTo(another.cloud.loginServer))
    const empty = [await site.sync(), await site.sync()]
    another.cloud.contents.put(repository, images[0]!, '1.0')
    const partial = [await site.sync(), await site.resync(), await site.sync()]

    assert.deepEqual(
      [...empty, ...partial].map(({ removed }) => removed),
      [0, 0, 0, 0, 0]
    )
    assert.equal((await site.registry.tags.list(repository, { limit: 10 })).length, 5)
  })

  test(`${kind}: another parent may take back what was agreed on with it`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    const another = await openCloud(t, kind, [repository])
    for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `1.${index}`)
    for (const tag of ['1.0', '1.1', '1.2']) another.cloud.contents.put(repository, images[0]!, tag)
    const site = await openSite(t, connection, [repository])
    await site.sync()
    await site.scope([repository], connectionTo(another.cloud.loginServer))
    await site.sync()

    another.cloud.contents.untag(repository, '1.0')
    await site.sync()

    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['1.1', '1.2', '1.3', '1.4'])
  })
}

const cuts: readonly (readonly [about: string, fault: Fault])[] = [
  ['fails', serverError(500)],
  ['is cut', { kind: 'cut', afterBytes: 10 }],
  ['is refused', { kind: 'answer', status: 401 }],
  ['is said not to be there', { kind: 'answer', status: 404 }],
  ['is no list', { kind: 'answer', status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }]
]

for (const [about, fault] of cuts)
  test(`plain: a list whose next page ${about} removes nothing`, async (t) => {
    const { connection, cloud } = await openCloud(t, 'plain', [repository], { pageSize: 2 })
    for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `1.${index}`)
    const site = await openSite(t, connection, [repository])
    await site.sync()
    cloud.contents.untag(repository, '1.4')
    const firstPage = cloud.nextRequest({ route: 'tags' }, AbortSignal.timeout(60_000))
    const running = site.sync()
    await firstPage
    cloud.faults.add({ route: 'tags' }, fault)

    const { result, removed } = await running

    assert.deepEqual([result, removed], ['Failed', 0])
    assert.equal(await site.tag(repository, '1.4'), digestOf(images[4]!))
  })

test('acr: a list of tags whose next page fails removes nothing', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, images[0]!, 'latest')
  for (let index = 0; index < 600; index++) cloud.contents.tag(repository, `1.${index}`, digestOf(images[0]!))
  const site = await openSite(t, connection, [repository])
  await site.sync()
  cloud.contents.untag(repository, '1.599')
  const firstPage = cloud.nextRequest({ route: 'metadata', path: /_tags$/ }, AbortSignal.timeout(60_000))
  const running = site.sync()
  await firstPage
  cloud.faults.add({ route: 'metadata', path: /_tags$/ }, serverError(500))

  const { result, removed } = await running

  assert.deepEqual([result, removed], ['Failed', 0])
  assert.equal(await site.tag(repository, '1.599'), digestOf(images[0]!))
})

test('acr: a manifest deleted above goes with its tags and its referrer, and nothing is reported as wrong', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const signature = aReferrer(images[1]!, { artifactType: 'application/vnd.example.signature' })
  for (const image of images) cloud.contents.put(repository, image)
  cloud.contents.put(repository, signature)
  for (const tag of ['1', '2']) cloud.contents.tag(repository, tag, digestOf(images[1]!))
  const site = await openSite(t, connection, [repository])
  await site.sync()
  for (const image of [images[1]!, signature]) cloud.contents.deleteManifest(repository, digestOf(image))

  const { result, removed } = await site.sync()

  assert.deepEqual([result, removed, site.codes()], ['Succeeded', 4, []])
  assert.equal(await site.holds(repository, digestOf(images[1]!)), false)
  assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), [])
  assert.deepEqual(await site.registry.referrers.list(repository, digestOf(images[1]!)), [])
})

test('acr: a tag that moved keeps its old content until the new one has come', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const old = anIndex([images[0]!, images[1]!])
  cloud.contents.put(repository, old, 'latest')
  for (const image of images.slice(2))
    cloud.contents.put(repository, image, image.manifest.descriptor.digest.slice(7, 17))
  const site = await openSite(t, connection, [repository])
  await site.sync()
  const next = anImage({ seed: 'next' })
  cloud.contents.put(repository, next, 'latest')
  for (const gone of [old, images[0]!, images[1]!, images[4]!])
    cloud.contents.deleteManifest(repository, digestOf(gone))
  cloud.faults.add({ route: 'manifest', path: new RegExp(digestOf(next)) }, serverError(500))

  await site.sync()

  assert.equal(await site.tag(repository, 'latest'), digestOf(old))
  for (const held of [old, images[0]!, images[1]!]) assert.equal(await site.holds(repository, digestOf(held)), true)
  assert.equal(await site.holds(repository, digestOf(images[4]!)), false, 'what no tag waits for goes')

  cloud.faults.clear()
  await site.sync()

  assert.equal(await site.tag(repository, 'latest'), digestOf(next))
  for (const gone of [old, images[0]!, images[1]!]) assert.equal(await site.holds(repository, digestOf(gone)), false)
})

test('acr: an index that stays above stays whole here, even where the parent deleted a part of it', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const inner = anIndex([images[0]!])
  const outer = anIndex([inner, images[1]!])
  cloud.contents.put(repository, outer, 'latest')
  const site = await openSite(t, connection, [repository])
  await site.sync()
  for (const part of [inner, images[0]!]) cloud.contents.deleteManifest(repository, digestOf(part))

  const { result, removed } = await site.sync()

  assert.deepEqual([result, removed], ['Succeeded', 0])
  for (const part of [outer, inner, ...images.slice(0, 2)]) assert.ok(await site.holds(repository, digestOf(part)))
})
