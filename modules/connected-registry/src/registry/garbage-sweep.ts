import type { Digest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Collection } from './garbage-run.ts'
import { isLinkedAnywhere } from './links.ts'
import { reviewEntries } from './reviews.ts'

const batchSize = 100

/**
 * Queues the blobs that no record knows: a process that ends between storing a blob and linking it leaves one. Reads the whole
 * store, so only every so often. Undefined: not this time.
 */
export async function queueOrphans(collection: Collection): Promise<number | undefined> {
  const { records, blobs, now, sweepEveryMs, signal } = collection
  const key = keys.garbage('swept')
  const swept = await records.get(key)
  if (typeof swept === 'string' && Date.parse(swept) + sweepEveryMs > now.getTime()) return undefined
  let found = 0
  let orphans: Digest[] = []
  for await (const digest of blobs.list()) {
    signal?.throwIfAborted()
    if (await isOrphan(collection, digest)) orphans.push(digest)
    if (orphans.length < batchSize) continue
    found += await queue(collection, orphans)
    orphans = []
  }
  found += await queue(collection, orphans)
  await records.commit({ put: [[key, now.toISOString()]] })
  return found
}

async function isOrphan({ records, holds }: Collection, digest: Digest): Promise<boolean> {
  if (holds.isHeld(digest) || (await isLinkedAnywhere(records, digest))) return false
  return (await records.get(keys.contentReview(digest))) === undefined
}

async function queue({ records, now }: Collection, orphans: readonly Digest[]): Promise<number> {
  const reviews = new Map(orphans.map((digest) => [keys.contentReview(digest), {}]))
  if (orphans.length > 0) await records.commit({ put: reviewEntries(reviews, now) })
  return orphans.length
}
