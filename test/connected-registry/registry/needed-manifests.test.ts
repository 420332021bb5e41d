import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushImage } from './open-registry.ts'

const image = anImage()
const { digest } = image.manifest.descriptor
const key = keys.link('app', digest)
const along = { put: [['base:app:note', true]] } as const
const unlessNeeded = { origin: 'parent', unlessNeeded: true, along } as const

for (const medium of media) {
  test(`a manifest that is needed stays as it was, and nothing is written along (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    await pushImage(open, 'app', image, 'v1')
    await pushImage(open, 'app', anIndex([image]), 'v2')
    const before = await open.records.get(key)

    const tagged = await open.registry.manifests.remove('app', digest, unlessNeeded)
    await open.registry.tags.remove('app', 'v1', { origin: 'parent' })
    const named = await open.registry.manifests.remove('app', digest, unlessNeeded)

    assert.deepEqual([tagged, named], [false, false])
    assert.deepEqual(await open.records.get(key), before)
    assert.equal(await open.records.get('base:app:note'), undefined)
  })
}

test('a manifest that nothing needs goes', async (t) => {
  const open = await openRegistry(t)
  await pushImage(open, 'app', image)

  const removed = await open.registry.manifests.remove('app', digest, unlessNeeded)

  assert.equal(removed, true)
  assert.deepEqual([await open.records.get(key), await open.records.get('base:app:note')], [undefined, true])
})

test('a tag put on a manifest in the moment before it goes keeps it', async (t) => {
  let isTagged = false
  const open = await openRegistry(t, {
    beforeCommit: async ({ remove = [] }) => {
      if (isTagged || !remove.includes(key)) return
      isTagged = true
      await open.registry.tags.put('app', 'late', digest, { origin: 'client:ci' })
    }
  })
  await pushImage(open, 'app', image)

  const removed = await open.registry.manifests.remove('app', digest, unlessNeeded)

  assert.deepEqual([isTagged, removed], [true, false])
  assert.equal((await open.registry.tags.get('app', 'late'))?.digest, digest)
  assert.ok(await open.registry.manifests.stat('app', { kind: 'digest', digest }))
})
