import type { BlobStore } from '../storage/blob-store.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { createBlobs } from './blobs.ts'
import { createChangeLog } from './changes.ts'
import { createManifests } from './manifests.ts'
import { createReferrers } from './referrers.ts'
import type { Registry } from './registry.ts'
import { createRepositories } from './repositories.ts'
import { createTags } from './tags.ts'

export interface RegistryDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly now?: () => Date
}

/** A registry over the two seams. One process at a time may write to a store: the change log has one writer. */
export async function createRegistry({ blobs, records, now = () => new Date() }: RegistryDeps): Promise<Registry> {
  const log = await createChangeLog(records, now)
  return {
    repositories: createRepositories({ records, log }),
    manifests: createManifests({ records, log, now }),
    blobs: createBlobs({ blobs, records, log, now }),
    tags: createTags({ records, log, now }),
    referrers: createReferrers({ records }),
    changes: log
  }
}
