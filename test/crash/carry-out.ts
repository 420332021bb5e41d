import type { Registry } from '../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../modules/connected-registry/src/storage/blob-store.ts'
import type { Step } from './workload.ts'

const options = { origin: 'client:crash' } as const

/** Asks the registry for one step, as a client's request would. Resolves when the client may be told that it is done. */
export async function carryOut(blobs: BlobStore, registry: Registry, repository: string, step: Step): Promise<void> {
  switch (step.kind) {
    case 'blob': {
      const id = await blobs.beginUpload()
      await blobs.append(id, pieces(step.bytes), { at: 0 })
      await blobs.commit(id, step.digest)
      await registry.blobs.link(repository, { digest: step.digest, mediaType: 'application/octet-stream' })
      break
    }
    case 'manifest':
      await registry.manifests.put(repository, step.manifest, { ...options, tag: step.tag })
      break
    case 'tag':
      await registry.tags.put(repository, step.tag, step.digest, options)
      break
    case 'untag':
      await registry.tags.remove(repository, step.tag, options)
      break
    case 'delete':
      await registry.manifests.remove(repository, step.digest, options)
      break
    case 'remove repository':
      await registry.repositories.remove(repository, options.origin)
      break
    case 'collect garbage':
      // What one run leaves unnamed waits from then on, and the next one removes it.
      for (const days of [30, 60]) await registry.garbage.collect({ now: new Date(Date.now() + days * dayMs) })
      await registry.changes.trim({ before: new Date(0), keep: 5 })
  }
}

const dayMs = 24 * 3_600_000

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}
