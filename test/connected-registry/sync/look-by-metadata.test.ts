import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ParentRepository } from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import type { EntryQuery, Metadata } from '../../../modules/connected-registry/src/registry/metadata.ts'
import { look } from '../../../modules/connected-registry/src/sync/look.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openRegistry, pushImage } from '../registry/open-registry.ts'

const [one, two] = [anImage({ seed: 'one' }), anImage({ seed: 'two' })]
const epoch = 'parent'
const { signal } = new AbortController()

/** A repository of a connected registry above, asked without a connection in between. */
function above(metadata: Metadata): ParentRepository {
  const query = { order: 'timedesc', limit: 100 } satisfies EntryQuery
  const times = ({ createdAt, updatedAt }: { readonly createdAt: string; readonly updatedAt: string }) => ({
    createdTime: createdAt,
    lastUpdateTime: updatedAt
  })
  return {
    isMetadataKnown: () => true,
    async attributes() {
      const { tagCount, manifestCount, ...rest } = (await metadata.repository('app'))!
      return { tagCount, manifestCount, ...times(rest) }
    },
    async *tagEntries() {
      for (const tag of await metadata.tags('app', query)) yield { ...tag, ...times(tag) }
    },
    async *manifestEntries() {
      for (const manifest of await metadata.manifests('app', query)) {
        yield { ...manifest, tags: [...manifest.tags], ...times(manifest) }
      }
    }
  } satisfies Partial<ParentRepository> as unknown as ParentRepository
}

test('a tag that moved after the clock above was set back is seen to have moved', async (t) => {
  let now = '2026-03-01T12:00:00.000Z'
  const open = await openRegistry(t, { now: () => new Date(now) })
  await pushImage(open, 'app', one, 'moving')
  await pushImage(open, 'app', two, 'other')
  const repository = above(open.registry.metadata)
  const { listing } = (await look(repository, { epoch, signal }))!

  now = '2026-03-01T09:00:00.000Z'
  await pushImage(open, 'app', two, 'moving')
  const view = await look(repository, { epoch, signal, previous: listing!.looked, remembered: listing! })

  assert.equal(view?.tags.get('moving'), two.manifest.descriptor.digest)
})
