import { setImmediate as turn } from 'node:timers/promises'
import type { BlobStore } from '../storage/blob-store.ts'
import { keys } from '../storage/layout.ts'
import { ConflictError, type RecordStore } from '../storage/record-store.ts'
import type { ContentHolds } from './content-holds.ts'
import type { GarbagePolicy, GarbageReport, KeptReason } from './garbage.ts'
import { reviewContent } from './garbage-content.ts'
import { reviewLink, reviewUntagged } from './garbage-links.ts'
import { queueOrphans } from './garbage-sweep.ts'
import { pages } from './records.ts'
import { type QueuedReview, type ReviewKind, readReview } from './reviews.ts'

/** What one run works with. */
export interface Collection {
  readonly records: RecordStore
  readonly blobs: BlobStore
  readonly holds: ContentHolds
  readonly policy: GarbagePolicy
  readonly sweepEveryMs: number
  readonly now: Date
  readonly dryRun: boolean
  readonly signal?: AbortSignal
}

/** What came of a review. */
export type Outcome =
  | { readonly kind: 'manifest' | 'link' }
  | { readonly kind: 'content'; readonly blobBytes?: number; readonly manifestBytes?: number }
  /** `again`: it stays in the queue. Otherwise whatever makes it garbage later queues it anew. */
  | { readonly kind: 'kept'; readonly reason: KeptReason; readonly again?: true }

const pageSize = 256
// Few enough that pulls and pushes hardly notice, enough that their batches share a sync.
const parallelReviews = 2

export function createCollection(collection: Collection) {
  const { records, policy, dryRun, now, signal } = collection
  const outcomes = new Map<string, Outcome>()
  let nextReviewMs = Number.POSITIVE_INFINITY

  async function run(): Promise<GarbageReport> {
    signal?.throwIfAborted()
    const orphansFound = dryRun ? undefined : await queueOrphans(collection)
    const { untaggedAfterMs, graceMs } = policy
    if (untaggedAfterMs !== undefined) {
      // An index that goes leaves its manifests to be reviewed, and they may be indexes in turn.
      while (await reviewAll('untagged', untaggedAfterMs, (queued) => reviewUntagged(collection, queued)));
    }
    await reviewAll('link', graceMs, (queued) => reviewLink(collection, queued))
    await reviewAll('content', graceMs, (queued) => reviewContent(collection, queued))
    if (dryRun) await reviewUnlinked()
    return { ...summarize(outcomes, nextReviewMs), dryRun, ...(orphansFound !== undefined && { orphansFound }) }
  }

  /** True: something was removed. */
  async function reviewAll(
    kind: ReviewKind,
    afterMs: number,
    review: (queued: QueuedReview) => Promise<Outcome>
  ): Promise<boolean> {
    let removed = false
    for await (const page of pages(records, keys.reviews(kind), pageSize)) {
      const due = page.flatMap((entry) => readReview(kind, entry) ?? []).filter((queued) => isDue(queued, afterMs))
      for (let at = 0; at < due.length; at += parallelReviews) {
        signal?.throwIfAborted()
        const reviewed = await Promise.allSettled(due.slice(at, at + parallelReviews).map((one) => settle(one, review)))
        for (const result of reviewed) if (result.status === 'rejected') throw result.reason
        removed ||= reviewed.some((result) => result.status === 'fulfilled' && result.value.kind !== 'kept')
        // Whoever asks for something meanwhile comes first: nobody waits for garbage to go.
        await turn()
      }
      await turn()
    }
    return removed && !dryRun
  }

  function isDue({ review }: QueuedReview, afterMs: number): boolean {
    const dueMs = Date.parse(review.since) + afterMs
    if (dueMs > now.getTime()) nextReviewMs = Math.min(nextReviewMs, dueMs)
    return dueMs <= now.getTime()
  }

  async function settle(queued: QueuedReview, review: (queued: QueuedReview) => Promise<Outcome>): Promise<Outcome> {
    const outcome = await review(queued).catch(busyWhere)
    if (outcome.kind === 'kept' && !outcome.again && !dryRun) await close(queued)
    outcomes.set(queued.key, outcome)
    return outcome
  }

  /** Where it was queued anew meanwhile, it stays. */
  async function close({ key, review }: QueuedReview): Promise<void> {
    await records.commit({ remove: [key], expect: [[key, review]] }).catch(busyWhere)
  }

  /** What the removal of links would leave without any, in a run that removes none. */
  async function reviewUnlinked(): Promise<void> {
    const unlinked = new Set<string>()
    for (const [key, { kind }] of outcomes) if (kind === 'link' || kind === 'manifest') unlinked.add(key)
    for (const key of unlinked) {
      const queued = readReview(key.startsWith(keys.reviews('link')) ? 'link' : 'untagged', [key, {}])
      if (!queued) continue
      const contentKey = keys.contentReview(queued.digest)
      if (outcomes.get(contentKey)?.kind === 'content') continue
      const outcome = await reviewContent(collection, { ...queued, key: contentKey }, (repository) =>
        [keys.linkReview(repository, queued.digest), keys.untaggedReview(repository, queued.digest)].some((one) =>
          unlinked.has(one)
        )
      )
      if (outcome.kind === 'content') outcomes.set(contentKey, outcome)
    }
  }

  return { run }
}

/** Somebody changed it while it was looked at: the next run looks again. */
function busyWhere(error: unknown): Outcome {
  if (error instanceof ConflictError) return { kind: 'kept', reason: 'busy', again: true }
  throw error
}

function summarize(outcomes: ReadonlyMap<string, Outcome>, nextReviewMs: number): Omit<GarbageReport, 'dryRun'> {
  const kept: Partial<Record<KeptReason, number>> = {}
  const sums = { manifestsRemoved: 0, linksRemoved: 0, blobsRemoved: 0, bytesFreed: 0, manifestBytesRemoved: 0 }
  for (const outcome of outcomes.values()) {
    if (outcome.kind === 'kept') kept[outcome.reason] = (kept[outcome.reason] ?? 0) + 1
    if (outcome.kind === 'manifest') sums.manifestsRemoved++
    if (outcome.kind === 'link') sums.linksRemoved++
    if (outcome.kind !== 'content') continue
    if (outcome.blobBytes !== undefined) sums.blobsRemoved++
    sums.bytesFreed += outcome.blobBytes ?? 0
    sums.manifestBytesRemoved += outcome.manifestBytes ?? 0
  }
  const next = Number.isFinite(nextReviewMs) && { nextReviewAt: new Date(nextReviewMs).toISOString() }
  return { reviewed: outcomes.size, ...sums, ...next, kept }
}
