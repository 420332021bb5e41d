import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const digestOf = ({ manifest }: ReturnType<typeof anImage>) => manifest.descriptor.digest
const child = anImage({ seed: 'child' })
const next = anImage({ seed: 'next' })
const other = anImage({ seed: 'other' })
const another = anImage({ seed: 'another' })
const old = anIndex([child])

test('a tag that a client puts on an index while its removal is on the way keeps it whole', async (t) => {
  const parent = await openCloud(t, 'acr', [repository])
  for (const [tag, image] of Object.entries({ old, other, another })) await parent.put(repository, image, tag)
  const blobs = createMemoryBlobStore()
  let isPlanned = false
  const commit: typeof blobs.commit = async (...upload) => {
    if (isPlanned) await site.registry.tags.put(repository, 'mine', digestOf(old), { origin: 'client:line-1' })
    return blobs.commit(...upload)
  }
  const site = await openSite(t, parent.connection, [repository], { mode: 'ReadWrite', blobs: { ...blobs, commit } })
  await site.sync()
  for (const gone of [old, child]) await parent.remove(repository, digestOf(gone))
  await parent.put(repository, next, 'next')
  isPlanned = true

  const { result, removed } = await site.resync()

  assert.deepEqual([result, removed], ['Succeeded', 1], 'only the tag')
  assert.equal(await site.tag(repository, 'mine'), digestOf(old))
  assert.equal(await site.registry.manifests.isWhole(repository, digestOf(old)), true)

  await site.registry.tags.remove(repository, 'mine', { origin: 'client:line-1' })
  await site.resync()

  for (const gone of [old, child]) assert.equal(await site.holds(repository, digestOf(gone)), false)
})

test('a tag that moves above while the parent is being looked at stays until it is seen to have moved', async (t) => {
  const parent = await openCloud(t, 'acr', [repository])
  for (const [tag, image] of Object.entries({ latest: old, other, another })) await parent.put(repository, image, tag)
  const site = await openSite(t, parent.connection, [repository])
  await site.sync()
  const { parent: above, ...wish } = site.wish([repository])
  const moving: typeof above = above && {
    ...above,
    repository(name) {
      const listed = above.repository(name)
      return {
        ...listed,
        async *manifestEntries(signal) {
          await parent.put(repository, next, 'latest')
          await parent.remove(repository, digestOf(old))
          yield* listed.manifestEntries(signal)
        }
      }
    }
  }
  site.engine.apply({ ...wish, parent: moving })

  const { removed } = await site.resync()

  assert.equal(removed, 0)
  assert.equal(await site.tag(repository, 'latest'), digestOf(old))

  await site.scope([repository])
  await site.sync()

  assert.equal(await site.tag(repository, 'latest'), digestOf(next))
  assert.equal(await site.holds(repository, digestOf(old)), false)
})
