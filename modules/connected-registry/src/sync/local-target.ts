import type { ContentTarget } from '../protocol/content.ts'
import type { ChildChoice } from '../protocol/descriptor.ts'
import type { Registry } from '../registry/registry.ts'
import type { Transfers } from './transfers.ts'

export interface LocalTargetDeps {
  readonly registry: Registry
  readonly transfers: Transfers
  /** An index is whole with these. Undefined: with all of its manifests. */
  readonly wants?: ChildChoice
}

/** A repository of the registry here, as copying sees it. */
export function createLocalTarget({ registry, transfers, wants }: LocalTargetDeps, repository: string): ContentTarget {
  return {
    // A client may have pushed an index without some of its manifests: that is not there yet, as far as copying goes.
    hasManifest: (digest) => registry.manifests.isWhole(repository, digest, wants),
    // Also what is linked here: the manifest that names it may be long in coming, and until then nothing else keeps it.
    adoptBlob: (descriptor) => registry.blobs.link(repository, descriptor),
    putBlob: (descriptor, source, signal) =>
      registry.blobs.hold(descriptor.digest, async () => {
        await transfers.bring(descriptor, source, signal)
        await registry.blobs.link(repository, descriptor)
      }),
    async putManifest(manifest, { sparse } = {}) {
      await registry.manifests.put(repository, manifest, { origin: 'parent', sparse })
    }
  }
}
