import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredManifest } from '../../../modules/connected-registry/src/protocol/content.ts'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushBlobs, pushImage } from './open-registry.ts'

const origin = 'client:ci'

for (const medium of media) {
  test(`a pushed image is found by tag and by digest, byte for byte (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const image = anImage()
    const { descriptor, bytes } = image.manifest
    await pushImage(open, 'app', image, 'v1')

    const byTag = await open.registry.manifests.get('app', { kind: 'tag', tag: 'v1' })
    const byDigest = await open.registry.manifests.get('app', { kind: 'digest', digest: descriptor.digest })

    assert.deepEqual(byTag?.descriptor, descriptor)
    assert.deepEqual(byDigest?.descriptor, descriptor)
    assert.deepEqual(Buffer.from(byTag.bytes), Buffer.from(bytes))
    assert.deepEqual(Buffer.from(byDigest.bytes), Buffer.from(bytes))
  })

  test(`an index needs its manifests first (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const index = anIndex([anImage({ seed: 'a' }), anImage({ seed: 'b' })])
    const [first, second] = index.children
    await pushImage(open, 'app', first!)

    const early = open.registry.manifests.put('app', index.manifest, { origin, tag: 'v1' })

    await assert.rejects(early, {
      code: 'MANIFEST_BLOB_UNKNOWN',
      detail: { digests: [second!.manifest.descriptor.digest] }
    })
    assert.equal(await open.registry.tags.get('app', 'v1'), undefined)
    await pushImage(open, 'app', index, 'v1')
    assert.equal((await open.registry.tags.get('app', 'v1'))?.digest, index.manifest.descriptor.digest)
  })
}

test('a manifest whose layer is in another repository only is refused, and leaves nothing', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushBlobs(open, 'other', image)

  const put = open.registry.manifests.put('app', image.manifest, { origin, tag: 'v1' })

  await assert.rejects(put, { code: 'MANIFEST_BLOB_UNKNOWN' })
  assert.equal(await open.registry.repositories.has('app'), false)
  assert.equal(open.registry.changes.head(), 0)
})

test('a foreign layer with urls may be missing', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const foreign = { mediaType: mediaTypes.dockerForeignLayer, digest: digestOf(Buffer.from('elsewhere')), size: 9 }
  const urls = ['https://licensed.example/layer']
  const manifest = rewritten(image.manifest, (document) => document.layers.push({ ...foreign, urls }))
  await pushBlobs(open, 'app', image)

  await open.registry.manifests.put('app', manifest, { origin, tag: 'windows' })

  assert.equal((await open.registry.tags.get('app', 'windows'))?.digest, manifest.descriptor.digest)
})

test('bytes that do not match their digest are refused', async (t) => {
  const open = await openRegistry(t)
  const { descriptor, bytes } = anImage().manifest
  const spoiled = Buffer.from(bytes)
  spoiled[spoiled.length - 2] = 0x20

  const put = open.registry.manifests.put('app', { descriptor, bytes: spoiled }, { origin })

  await assert.rejects(put, { code: 'DIGEST_INVALID' })
})

test('bytes of another length than declared are refused', async (t) => {
  const open = await openRegistry(t)
  const { descriptor, bytes } = anImage().manifest

  const put = open.registry.manifests.put('app', { descriptor: { ...descriptor, size: 1 }, bytes }, { origin })

  await assert.rejects(put, { code: 'SIZE_INVALID' })
})

test('a name that the specification does not allow never becomes a repository', async (t) => {
  const open = await openRegistry(t)

  for (const name of ['App', 'a:b', '../up', 'a//b', '']) {
    const put = open.registry.manifests.put(name, anIndex([]).manifest, { origin })
    await assert.rejects(put, { code: 'NAME_INVALID' })
  }
  await assert.rejects(open.registry.manifests.put('app', anIndex([]).manifest, { origin, tag: 'a b' }), {
    code: 'TAG_INVALID'
  })
  assert.deepEqual(await open.registry.repositories.list({ limit: 10 }), [])
})

test('a manifest pushed twice is one push', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushImage(open, 'app', image, 'v1')
  const head = open.registry.changes.head()

  await pushImage(open, 'app', image, 'v1')
  await pushImage(open, 'app', image, 'v2')

  const since = await open.registry.changes.read(head, 10)
  assert.deepEqual(
    since.map(({ action, tag }) => [action, tag]),
    [['tag', 'v2']]
  )
})

test('two pushes that expect the tag to be absent: one of them is a conflict', async (t) => {
  const open = await openRegistry(t)
  const images = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  for (const image of images) await pushBlobs(open, 'app', image)

  const puts = images.map(({ manifest }) =>
    open.registry.manifests.put('app', manifest, { origin, tag: 'v1', expect: null })
  )
  const outcomes = await Promise.allSettled(puts)

  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  assert.deepEqual(
    refused.map(({ reason }) => reason.code),
    ['CONFLICT']
  )
  const manifests = await open.registry.manifests.list('app', { limit: 10 })
  assert.deepEqual(manifests.length, 1)
})

test('many pushes of the same tag at once all come through, the log tells in which order', async (t) => {
  const open = await openRegistry(t)
  const images = Array.from({ length: 30 }, (_, index) => anImage({ seed: `${index}` }))
  for (const image of images) await pushBlobs(open, 'app', image)

  await Promise.all(images.map(({ manifest }) => open.registry.manifests.put('app', manifest, { origin, tag: 'v1' })))

  const changes = await open.registry.changes.read(0, 1000)
  const moves = changes.filter(({ action }) => action === 'tag')
  assert.equal(moves.length, 30)
  assert.equal((await open.registry.tags.get('app', 'v1'))?.digest, moves.at(-1)?.digest)
})

test("the caller's records are written in the same batch, or nothing is", async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushBlobs(open, 'app', image)
  const along = (expected: string | undefined) => ({
    put: [['base:app:v1', 'mine']] as const,
    expect: [['base:app:v1', expected]] as const
  })

  const refused = open.registry.manifests.put('app', image.manifest, { origin, tag: 'v1', along: along('theirs') })
  await assert.rejects(refused, { code: 'CONFLICT' })
  assert.equal(await open.registry.tags.get('app', 'v1'), undefined)

  await open.registry.manifests.put('app', image.manifest, { origin, tag: 'v1', along: along(undefined) })
  assert.equal(await open.records.get('base:app:v1'), 'mine')
})

test('a list of manifests holds no blobs, and goes on after a digest', async (t) => {
  const open = await openRegistry(t)
  const images = Array.from({ length: 5 }, (_, index) => anImage({ seed: `${index}`, layers: 3 }))
  for (const image of images) await pushImage(open, 'app', image)
  const digests = images.map(({ manifest }) => manifest.descriptor.digest).sort()

  const first = await open.registry.manifests.list('app', { limit: 2 })
  const rest = await open.registry.manifests.list('app', { after: first.at(-1)?.digest, limit: 100 })

  assert.deepEqual(
    [...first, ...rest].map(({ digest }) => digest),
    digests
  )
  assert.equal(first.length, 2)
  assert.deepEqual(await open.registry.manifests.list('app', { limit: 0 }), [])
})

test('a manifest that is linked but whose bytes are lost is a failure, not an absence', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushImage(open, 'app', image, 'v1')
  await open.records.commit({ remove: [keys.manifest(image.manifest.descriptor.digest)] })

  await assert.rejects(open.registry.manifests.get('app', { kind: 'tag', tag: 'v1' }), /bytes are missing/)
})

test('a referrer comes before its subject and is listed with what it says of itself', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature', annotations: { by: 'ci' } })
  await pushImage(open, 'app', signature)

  const listed = await open.registry.referrers.list('app', image.manifest.descriptor.digest)

  const expected = {
    ...signature.manifest.descriptor,
    artifactType: 'application/vnd.example.signature',
    annotations: { by: 'ci' }
  }
  assert.deepEqual(listed, [expected])
})

interface Document {
  readonly layers: object[]
}

function rewritten(manifest: StoredManifest, change: (document: Document) => void): StoredManifest {
  const document: Document = JSON.parse(Buffer.from(manifest.bytes).toString())
  change(document)
  const bytes = Buffer.from(JSON.stringify(document))
  return { descriptor: { ...manifest.descriptor, digest: digestOf(bytes), size: bytes.length }, bytes }
}
