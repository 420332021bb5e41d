import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredManifest } from '../../../modules/connected-registry/src/protocol/content.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openRegistry, pushBlobs, pushImage } from './open-registry.ts'

const origin = 'client:ci'

test('a removed manifest takes its tags along, and no others', async (t) => {
  const open = await openRegistry(t)
  const [old, other] = [anImage({ seed: 'old' }), anImage({ seed: 'other' })]
  for (const tag of ['v1', 'latest']) await pushImage(open, 'app', old, tag)
  await pushImage(open, 'app', other, 'v2')

  const removed = await open.registry.manifests.remove('app', old.manifest.descriptor.digest, { origin })
  const again = await open.registry.manifests.remove('app', old.manifest.descriptor.digest, { origin })

  assert.deepEqual([removed, again], [true, false])
  assert.deepEqual(await open.registry.tags.list('app', { limit: 10 }), ['v2'])
  assert.deepEqual(await open.registry.manifests.list('app', { limit: 10 }), [other.manifest.descriptor])
})

test('a manifest removed from one repository stays in another', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const { digest } = image.manifest.descriptor
  await pushImage(open, 'one', image, 'v1')
  await pushImage(open, 'two', image, 'v1')

  await open.registry.manifests.remove('one', digest, { origin })

  assert.equal(await open.registry.manifests.get('one', { kind: 'digest', digest }), undefined)
  assert.ok(await open.registry.manifests.get('two', { kind: 'digest', digest }))
})

test('a tag put on a manifest that is being removed goes with it, and never loses its target', async (t) => {
  const image = anImage()
  const { digest } = image.manifest.descriptor
  let tagged: Promise<void> | undefined
  const open = await openRegistry(t, {
    beforeCommit: async ({ remove = [] }) => {
      if (tagged || !remove.includes(keys.link('app', digest))) return
      tagged = open.registry.tags.put('app', 'late', digest, { origin })
      await tagged
    }
  })
  await pushImage(open, 'app', image)

  await open.registry.manifests.remove('app', digest, { origin })

  assert.ok(tagged)
  assert.equal(await open.registry.tags.get('app', 'late'), undefined)
  const actions = (await open.registry.changes.read(0, 100)).map(({ action, tag }) => [action, tag])
  assert.deepEqual(actions, [
    ['push', undefined],
    ['tag', 'late'],
    ['untag', 'late'],
    ['delete', undefined]
  ])
})

test('a layer that goes while its manifest is being pushed makes the push fail', async (t) => {
  const image = anImage()
  const layer = [...image.blobs.keys()][0]!
  let gone = false
  const open = await openRegistry(t, {
    beforeCommit: async ({ put = [] }) => {
      if (gone || !put.some(([key]) => key === keys.manifest(image.manifest.descriptor.digest))) return
      gone = true
      await open.records.commit({ remove: [keys.link('app', layer)] })
    }
  })
  await pushBlobs(open, 'app', image)

  const put = open.registry.manifests.put('app', image.manifest, { origin, tag: 'v1' })

  await assert.rejects(put, { code: 'MANIFEST_BLOB_UNKNOWN', detail: { digests: [layer] } })
  assert.equal(await open.registry.tags.get('app', 'v1'), undefined)
})

test('the same bytes may be a blob and a manifest, and removing the manifest leaves the blob', async (t) => {
  const open = await openRegistry(t)
  const inner = anImage()
  const { digest, size } = inner.manifest.descriptor
  await pushImage(open, 'app', inner)
  const upload = await open.blobs.beginUpload()
  await open.blobs.append(upload, bytesOf(inner.manifest), { at: 0 })
  await open.blobs.commit(upload, digest)
  await open.registry.blobs.link('app', { digest, mediaType: 'application/json' })

  await open.registry.manifests.remove('app', digest, { origin })

  assert.equal(await open.registry.manifests.stat('app', { kind: 'digest', digest }), undefined)
  assert.deepEqual(await open.registry.blobs.stat('app', digest), { size })
})

async function* bytesOf({ bytes }: StoredManifest): AsyncGenerator<Uint8Array> {
  yield bytes
}
