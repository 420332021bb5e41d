import type { BlobStore } from '../storage/blob-store.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { createBlobs } from './blobs.ts'
import { createChangeLog } from './changes.ts'
import { createContentHolds } from './content-holds.ts'
import { createGarbage, type GarbagePolicy } from './garbage.ts'
import { ensureIndexes } from './indexes.ts'
import { createManifests } from './manifests.ts'
import { createMetadata } from './metadata.ts'
import { createReferrers } from './referrers.ts'
import type { Registry } from './registry.ts'
import { createRepositories } from './repositories.ts'
import { createTags } from './tags.ts'
import { createUploads } from './uploads.ts'

export interface RegistryDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly now?: () => Date
  /** Of the garbage collection. */
  readonly policy?: () => GarbagePolicy
  /** Throws where a manifest must not come in: StoreError `ENOSPC` or `EDQUOT`. */
  readonly admit?: () => Promise<void>
}

/** A registry over the two seams. One process at a time may write to a store: the change log has one writer. */
export async function createRegistry({
  blobs,
  records,
  now = () => new Date(),
  policy,
  admit = async () => {}
}: RegistryDeps): Promise<Registry> {
  await ensureIndexes(records, now)
  const log = await createChangeLog(records, now)
  const holds = createContentHolds()
  const linked = createBlobs({ blobs, records, log, holds, now })
  return {
    repositories: createRepositories({ records, log }),
    manifests: createManifests({ records, blobs, log, now, admit }),
    blobs: linked,
    uploads: await createUploads({ blobs, records, linked, now }),
    tags: createTags({ records, log, now }),
    referrers: createReferrers({ records }),
    metadata: createMetadata({ records }),
    garbage: createGarbage({ records, blobs, holds, policy, now }),
    changes: log,
    wake: records.wake
  }
}
