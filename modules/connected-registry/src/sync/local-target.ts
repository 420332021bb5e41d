import type { ContentTarget } from '../protocol/content.ts'
import type { Registry } from '../registry/registry.ts'
import type { Transfers } from './transfers.ts'

/** A repository of the registry here, as copying sees it. */
export function createLocalTarget(registry: Registry, transfers: Transfers, repository: string): ContentTarget {
  return {
    async hasManifest(digest) {
      return (await registry.manifests.stat(repository, { kind: 'digest', digest })) !== undefined
    },
    async adoptBlob(descriptor) {
      if (await registry.blobs.stat(repository, descriptor.digest)) return true
      return registry.blobs.link(repository, descriptor)
    },
    async putBlob(descriptor, source, signal) {
      await transfers.bring(descriptor, source, signal)
      await registry.blobs.link(repository, descriptor)
    },
    putManifest: (manifest) => registry.manifests.put(repository, manifest, { origin: 'parent' })
  }
}
