import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentSource, ContentTarget } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { copyManifest } from '../../../modules/connected-registry/src/sync/copy.ts'
import { createManifestMemory } from '../../../modules/connected-registry/src/sync/manifest-memory.ts'
import { createPlaces } from '../../../modules/connected-registry/src/sync/places.ts'
import { anImage, anIndex, manifestsOf } from '../../fixtures/image-builder.ts'

test('a manifest that an index names many times is asked for once, and the index is not taken for incomplete', async () => {
  const child = anImage({ layers: 1, layerSize: 10 })
  const many = anIndex([child, child, child])
  const here = new Map(manifestsOf(many).map((manifest) => [manifest.descriptor.digest, manifest]))
  const asked: Digest[] = []
  const put = new Map<Digest, unknown>()
  const source: ContentSource = {
    async manifest(reference) {
      assert.ok(reference.kind === 'digest')
      asked.push(reference.digest)
      return here.get(reference.digest)
    },
    blob: () => Promise.reject(new Error('the target of this test takes none')),
    referrers: async () => []
  }
  const target: ContentTarget = {
    hasManifest: async (digest) => put.has(digest),
    adoptBlob: async () => true,
    putBlob: async () => {},
    async putManifest({ descriptor }, options) {
      put.set(descriptor.digest, options)
    }
  }
  const kept = { manifests: new Map(), blobs: new Map(), settled: new Set<Digest>(), memory: createManifestMemory() }
  const job = { source, target, ...kept, places: createPlaces(3), sparse: true }

  await copyManifest(job, many.manifest.descriptor.digest, new AbortController().signal)

  // To see whether it is there, and to bring it.
  assert.equal(asked.filter((digest) => digest === child.manifest.descriptor.digest).length, 2)
  assert.deepEqual(put.get(many.manifest.descriptor.digest), { sparse: false })
})
