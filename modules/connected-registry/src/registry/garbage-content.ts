import { keys } from '../storage/layout.ts'
import type { Collection, Outcome } from './garbage-run.ts'
import { isLinkedAnywhere } from './links.ts'
import { pages } from './records.ts'
import type { QueuedReview } from './reviews.ts'

/**
 * Content goes when no repository links it. The links went in batches of their own before, and nobody who stores or links a blob
 * of this digest is at it meanwhile; a manifest that is put takes the review away, and so keeps its bytes. `isGone`: links to count as removed, in a run that removes none.
 */
export async function reviewContent(
  collection: Collection,
  queued: QueuedReview,
  isGone?: (repository: string) => boolean
): Promise<Outcome> {
  if (collection.dryRun) return weigh(collection, queued, isGone)
  const removal = collection.holds.remove(queued.digest, () => remove(collection, queued))
  return (await removal) ?? { kind: 'kept', reason: 'busy', again: true }
}

async function remove(collection: Collection, queued: QueuedReview): Promise<Outcome> {
  const { records, blobs } = collection
  const outcome = await weigh(collection, queued)
  if (outcome.kind === 'kept') return outcome
  // First the file: where this ends in between, the review is still there.
  await blobs.remove(queued.digest)
  await records.commit({
    remove: [keys.manifest(queued.digest), queued.key],
    expect: [[queued.key, queued.review]]
  })
  return outcome
}

async function weigh(
  { records, blobs }: Collection,
  { digest }: QueuedReview,
  isGone: (repository: string) => boolean = () => false
): Promise<Outcome> {
  if (await isLinkedAnywhere(records, digest)) {
    for await (const page of pages(records, keys.holders(digest), 100)) {
      const others = page.filter(([key]) => !isGone(key.slice(keys.holders(digest).length)))
      if (others.length > 0) return { kind: 'kept', reason: 'linked' }
    }
  }
  const blobBytes = (await blobs.stat(digest))?.size
  const bytes = await records.get(keys.manifest(digest))
  return { kind: 'content', blobBytes, manifestBytes: bytes instanceof Uint8Array ? bytes.byteLength : undefined }
}
