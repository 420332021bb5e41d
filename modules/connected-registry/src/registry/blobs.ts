import { randomUUID } from 'node:crypto'
import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { ChangeLog } from './changes.ts'
import type { ContentHolds } from './content-holds.ts'
import { holdRepository } from './holds.ts'
import { addLink, isUsed, type LinkName, removeLink } from './links.ts'
import { getLink, type LinkRecord, pages } from './records.ts'
import type { Blobs } from './registry.ts'
import { type Draft, transact } from './transaction.ts'

export interface BlobsDeps {
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly log: ChangeLog
  readonly holds: ContentHolds
  readonly now: () => Date
}

/** A blob is there for who may read a repository only if it is linked into that one, wherever else the store has it. */
export function createBlobs({ blobs, records, log, holds, now }: BlobsDeps): Blobs {
  const stat: Blobs['stat'] = async (repository, digest) => {
    const link = await getLink(records, repository, digest)
    return link?.blob && !blobs.quarantined.has(digest) ? { size: link.size } : undefined
  }

  const link: Blobs['link'] = async (repository, { digest, mediaType }, { along } = {}) => {
    const held = await blobs.stat(digest)
    if (!held) return false
    return transact(log, { along }, async (draft) => {
      const known = await getLink(records, repository, digest)
      await holdRepository(records, draft, repository, now)
      draft.expect.push([keys.link(repository, digest), known])
      const fresh = { mediaType, size: held.size, manifest: false, blob: true }
      if (known) await linkAnew(records, draft, { repository, digest, known })
      else addLink(draft, { repository, digest }, fresh)
      // A manifest that names it may come soon, or never.
      if (!known?.blob) draft.reviews.set(keys.linkReview(repository, digest), { cause: 'linked' })
    })
  }

  return {
    stat,
    open: async (repository, digest, range) =>
      (await stat(repository, digest)) ? blobs.open(digest, range) : undefined,
    link: (repository, descriptor, options) =>
      holds.hold(descriptor.digest, () => link(repository, descriptor, options)),
    unlink: (repository, digest) => transact(log, {}, (draft) => unlinkBlob(records, draft, { repository, digest })),
    async *holders(digest) {
      const prefix = keys.holders(digest)
      for await (const page of pages(records, prefix, 100)) yield* page.map(([key]) => key.slice(prefix.length))
    },
    hold: holds.hold
  }
}

interface Relink {
  readonly repository: string
  readonly digest: Digest
  readonly known: LinkRecord
}

/** Who links it again wants it: a removal under way is stopped, and where it waits for a review, it waits from now on. */
async function linkAnew(records: RecordStore, draft: Draft, { repository, digest, known }: Relink): Promise<void> {
  const { removal, ...held } = known
  if (removal || !known.blob) draft.put.push([keys.link(repository, digest), { ...held, blob: true }])
  const review = keys.linkReview(repository, digest)
  if (await records.get(review)) draft.reviews.set(review, { cause: 'linked' })
}

/** Marked before the look at what names it: a manifest that is put meanwhile takes the mark away, and this one is tried again. */
async function unlinkBlob(records: RecordStore, draft: Draft, name: LinkName): Promise<undefined | false> {
  const key = keys.link(name.repository, name.digest)
  const link = await getLink(records, name.repository, name.digest)
  if (!link?.blob) return false
  const marked = { ...link, removal: randomUUID() }
  await records.commit({ put: [[key, marked]], expect: [[key, link]] })
  if (await isUsed(records, name)) throw new RegistryError('UNSUPPORTED', name, 'a manifest names this blob')
  draft.expect.push([key, marked])
  const { removal, ...rest } = link
  if (link.manifest) draft.put.push([key, { ...rest, blob: false }])
  else removeLink(draft, name)
}
