import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Digest, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, aReferrer, type BuiltImage } from '../../fixtures/image-builder.ts'
import { type Fault, type RequestMatcher, serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud } from './parents.ts'
import { openSite, type TestSite } from './site.ts'

const repository = 'plant/app'
const other = 'plant/other'

/** Layers of their own, so that a fault on one image is none on another. */
const [broken, fine] = [anImage({ seed: 'broken' }), anImage({ seed: 'fine' })]
const manifestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const layerOf = (image: BuiltImage) => [...image.blobs.keys()].at(-1)!
const bytesOf = (digest: Digest): RequestMatcher => ({ route: 'data', path: new RegExp(hexOf(digest)) })

/** Requests at the login server for the broken image's manifest or layer, and at the data endpoint for the layer's bytes. */
const manifest: RequestMatcher = { route: 'manifest', method: 'GET', path: new RegExp(manifestOf(broken)) }
const layer: RequestMatcher = { route: 'blob', method: 'GET', path: new RegExp(layerOf(broken)) }
const content = bytesOf(layerOf(broken))

const unknown = (code: string): Fault => {
  const body = JSON.stringify({ errors: [{ code, message: 'unknown' }] })
  return { kind: 'answer', status: 404, headers: { 'content-type': 'application/json' }, body }
}

const table: readonly (readonly [about: string, on: RequestMatcher, fault: Fault, type: string, code: string])[] = [
  ['a layer with a wrong byte', content, { kind: 'wrong-bytes' }, 'Content', 'DIGEST_MISMATCH'],
  ['a layer that begins wrongly', content, { kind: 'wrong-bytes', at: 0 }, 'Content', 'DIGEST_MISMATCH'],
  ['a longer layer', content, { kind: 'other-body' }, 'Parent', 'BAD_ANSWER'],
  ['a shorter layer', content, { kind: 'answer', status: 200, body: 'short' }, 'Parent', 'BAD_ANSWER'],
  ['a layer that never comes to its end', content, { kind: 'cut', afterBytes: 0 }, 'Parent', 'INTERRUPTED'],
  ['a layer that is not there', layer, unknown('BLOB_UNKNOWN'), 'Content', 'NOT_FOUND'],
  ['a layer whose links are always over', layer, { kind: 'expired-link' }, 'Parent', 'LINK_EXPIRED'],
  ['a manifest with a wrong byte', manifest, { kind: 'wrong-bytes' }, 'Content', 'DIGEST_MISMATCH'],
  ['another body for the digest of a manifest', manifest, { kind: 'other-body' }, 'Content', 'DIGEST_MISMATCH'],
  ['a manifest said to be of another digest', manifest, { kind: 'wrong-digest-header' }, 'Content', 'DIGEST_MISMATCH'],
  ['a manifest that is listed and not there', manifest, unknown('MANIFEST_UNKNOWN'), 'Content', 'CONTENT_MISSING'],
  ['a manifest that the parent fails over', manifest, serverError(500), 'Parent', 'SERVER_ERROR']
]

for (const [about, on, fault, type, code] of table)
  test(`${about}: nothing of it is visible, everything else arrives, and the next round heals it`, async (t) => {
    const { connection, cloud } = await openCloud(t, 'acr', [repository, other])
    for (const name of [repository, other]) cloud.contents.put(name, fine, 'fine')
    cloud.contents.put(repository, broken, 'broken')
    cloud.faults.add(on, fault)
    const site = await openSite(t, connection, [repository, other])

    const first = await site.sync()

    assert.equal(first.result, 'Failed')
    assert.equal(site.board.read().connectionState, 'Unhealthy')
    assert.deepEqual(
      new Set(site.board.read().details.map((detail) => `${detail.type} ${detail.code}`)),
      new Set([`${type} ${code}`])
    )
    assert.equal(await site.tag(repository, 'broken'), undefined)
    assert.equal(await site.holds(repository, manifestOf(broken)), false)
    assert.equal(await site.blobs.stat(layerOf(broken)), undefined)
    assert.equal(await site.tag(repository, 'fine'), manifestOf(fine))
    assert.equal(await site.tag(other, 'fine'), manifestOf(fine))

    cloud.faults.clear()
    const second = await site.sync()

    assert.equal(second.result, 'Succeeded')
    assert.equal(site.board.read().connectionState, 'Online')
    assert.equal(await site.tag(repository, 'broken'), manifestOf(broken))
    assert.equal((await site.blobs.stat(layerOf(broken)))?.size, broken.blobs.get(layerOf(broken))?.length)
  })

test('a repository says how much of it is missing, and why', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, fine, 'fine')
  cloud.contents.put(repository, broken, 'broken')
  cloud.faults.add(manifest, unknown('MANIFEST_UNKNOWN'))
  const site = await openSite(t, connection, [repository])

  await site.sync()

  const { wanted, have, problem = '', lastSync } = site.board.repository(repository)
  assert.deepEqual({ wanted, have, lastSync }, { wanted: 4, have: 2, lastSync: undefined })
  assert.equal(problem, `${repository}:broken: the parent does not hold ${manifestOf(broken)}`)
})

test('a layer that cannot be had is begun twice a round, however many images are built on it', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const files = [{ path: 'base', content: 'shared' }]
  const images = ['1', '2', '3', '4', '5', '6'].map((cmd) => anImage({ files, cmd: [cmd] }))
  for (const [index, image] of images.entries()) cloud.contents.put(repository, image, `${index}`)
  const base = layerOf(images[0]!)
  const rule = cloud.faults.add(bytesOf(base), { kind: 'wrong-bytes' })
  const site = await openSite(t, connection, [repository])

  await site.sync()

  assert.equal(rule.struck, 2)
  assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), [])
})

test('a cut link is taken up at the byte where it broke, by another signed link', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, broken, 'latest')
  cloud.faults.add(content, { kind: 'cut', afterBytes: 700 }, { times: 1 })
  const site = await openSite(t, connection, [repository])

  const { result } = await site.sync()

  const asked = cloud.requests.filter(({ url }) => url.includes(hexOf(layerOf(broken))))
  assert.equal(result, 'Succeeded')
  assert.deepEqual(
    asked.map(({ server, range }) => [server, range]),
    [
      ['login', undefined],
      ['data', undefined],
      ['login', 'bytes=700-'],
      ['data', 'bytes=700-']
    ]
  )
})

test('a signed link that is over is asked for again', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, broken, 'latest')
  const rule = cloud.faults.add(layer, { kind: 'expired-link' }, { times: 1 })
  const site = await openSite(t, connection, [repository])

  const { result } = await site.sync()

  assert.deepEqual([result, rule.struck], ['Succeeded', 1])
  assert.equal(await site.tag(repository, 'latest'), manifestOf(broken))
})

test('plain: a tag that is listed and cannot be read stays as it is here, and the others move', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', [repository])
  const [before, after] = [anImage({ seed: 'before' }), anImage({ seed: 'after' })]
  for (const tag of ['a', 'b', 'c']) cloud.contents.put(repository, before, tag)
  const site = await openSite(t, connection, [repository])
  await site.sync()

  for (const tag of ['a', 'b', 'c']) cloud.contents.put(repository, after, tag)
  cloud.faults.add({ route: 'manifest', path: /manifests\/a$/ }, serverError(500))
  cloud.faults.add({ route: 'manifest', path: /manifests\/b$/ }, unknown('MANIFEST_UNKNOWN'))
  await site.sync()

  assert.deepEqual(await tags(site, ['a', 'b', 'c']), [before, before, after].map(manifestOf))
  assert.deepEqual(new Set(site.codes()), new Set(['SERVER_ERROR', 'MANIFEST_UNKNOWN']))
  const { wanted, have } = site.board.repository(repository)
  assert.deepEqual({ wanted, have }, { wanted: 3, have: 1 })
})

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: a broken referrer does not hold up its image, is named, and comes when it is whole again`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    const signature = aReferrer(fine, { artifactType: 'application/vnd.example.signature' })
    cloud.contents.put(repository, fine, 'fine')
    cloud.contents.put(repository, signature)
    cloud.faults.add(bytesOf(layerOf(signature)), { kind: 'wrong-bytes' })
    const site = await openSite(t, connection, [repository])

    await site.sync()
    const [tag, named] = [await site.tag(repository, 'fine'), site.codes()]
    await site.sync()
    const stillNamed = site.codes()
    cloud.faults.clear()
    const healed = await site.sync()

    assert.equal(tag, manifestOf(fine))
    assert.ok(named.includes('DIGEST_MISMATCH'))
    assert.ok(stillNamed.includes('DIGEST_MISMATCH'), 'as long as it is missing')
    assert.equal(healed.result, 'Succeeded')
    const [referrer] = await site.registry.referrers.list(repository, manifestOf(fine))
    assert.equal(referrer?.digest, manifestOf(signature))
  })

async function tags(site: TestSite, names: readonly string[]) {
  return Promise.all(names.map((name) => site.tag(repository, name)))
}
