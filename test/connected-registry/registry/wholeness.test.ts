import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushBlobs, pushImage } from './open-registry.ts'

const origin = 'client:ci'
const [one, two] = [anImage({ seed: 'one' }), anImage({ seed: 'two' })]
const index = anIndex([one, two])
const outer = anIndex([index])
const digestOf = (image: typeof one) => image.manifest.descriptor.digest

for (const medium of media) {
  test(`an index may be put without its manifests, and is whole when they have come (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const { manifests } = open.registry
    await pushImage(open, 'app', one)

    await manifests.put('app', index.manifest, { origin, tag: 'v1', sparse: true })
    await manifests.put('app', outer.manifest, { origin, sparse: true })
    const early = [await manifests.isWhole('app', digestOf(index)), await manifests.isWhole('app', digestOf(outer))]
    await pushImage(open, 'app', two)
    const late = [await manifests.isWhole('app', digestOf(index)), await manifests.isWhole('app', digestOf(outer))]

    assert.deepEqual(
      [early, late],
      [
        [false, false],
        [true, true]
      ]
    )
  })
}

test('an index is whole no more when one of its manifests is removed, nor is an index that names it', async (t) => {
  const open = await openRegistry(t)
  const { manifests } = open.registry
  await pushImage(open, 'app', outer)
  const before = await manifests.isWhole('app', digestOf(outer))

  await manifests.remove('app', digestOf(two), { origin })

  const after = [await manifests.isWhole('app', digestOf(index)), await manifests.isWhole('app', digestOf(outer))]
  assert.deepEqual([before, after], [true, [false, false]])
})

test('what is not here is not whole, and an image is as soon as it is here', async (t) => {
  const open = await openRegistry(t)
  assert.equal(await open.registry.manifests.isWhole('app', digestOf(one)), false)

  await pushImage(open, 'app', one)

  assert.equal(await open.registry.manifests.isWhole('app', digestOf(one)), true)
})

test('an image never does without its layers, however it is put', async (t) => {
  const open = await openRegistry(t)
  const [config, layer] = [...one.blobs.keys()]
  await pushBlobs(open, 'app', { ...one, blobs: new Map([[config!, one.blobs.get(config!)!]]) })

  const put = open.registry.manifests.put('app', one.manifest, { origin, tag: 'v1', sparse: true })

  await assert.rejects(put, { code: 'MANIFEST_BLOB_UNKNOWN', detail: { digests: [layer] } })
  assert.equal(await open.registry.tags.get('app', 'v1'), undefined)
})

test('several tags move in one batch', async (t) => {
  const open = await openRegistry(t)
  await pushBlobs(open, 'app', one)
  let batches = 0
  const stop = open.registry.changes.onChange(() => batches++)

  await open.registry.manifests.put('app', one.manifest, { origin, tag: 'v1', moreTags: ['v1', 'latest', 'latest'] })
  stop()

  assert.deepEqual(await open.registry.tags.list('app', { limit: 10 }), ['latest', 'v1'])
  assert.equal(batches, 1)
})
