import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import { holdRepository } from './holds.ts'
import { getLink } from './records.ts'
import type { Blobs } from './registry.ts'
import { transact } from './transaction.ts'

export interface BlobsDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly log: ChangeLog
  readonly now: () => Date
}

/** A blob is there for who may read a repository only if it is linked into that one, wherever else the store has it. */
export function createBlobs({ blobs, records, log, now }: BlobsDeps): Blobs {
  const stat: Blobs['stat'] = async (repository, digest) => {
    const link = await getLink(records, repository, digest)
    return link?.blob ? { size: link.size } : undefined
  }

  return {
    stat,
    open: async (repository, digest, range) =>
      (await stat(repository, digest)) ? blobs.open(digest, range) : undefined,

    link: async (repository, { digest, mediaType }) => {
      const held = await blobs.stat(digest)
      if (!held) return false
      const key = keys.link(repository, digest)
      return transact(log, {}, async (draft) => {
        const known = await getLink(records, repository, digest)
        await holdRepository(records, draft, repository, now)
        draft.expect.push([key, known])
        const fresh = { mediaType, size: held.size, manifest: false }
        if (!known?.blob) draft.put.push([key, { ...(known ?? fresh), blob: true }])
      })
    }
  }
}
