import { randomUUID } from 'node:crypto'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry } from '../storage/record-store.ts'

/**
 * The collector's queue: what may have become garbage, noted in the very batch that may have made it so. A record a subject: noted
 * again, its time begins anew. Whatever adds a use takes the record away in the same batch; so what is used is seldom queued, and
 * what is not always is.
 */
export type ReviewKind = 'link' | 'untagged' | 'content'

export type Review = {
  /** RFC 3339, UTC. */
  readonly since: string
  /** Sets a note apart from an earlier one of the same moment: whoever is done with a review expects the one it has read. */
  readonly note: string
  /** `linked`: a manifest that names it may be on its way. `subject`: what it refers to was removed. */
  readonly cause?: ReviewCause
}

export type ReviewCause = 'linked' | 'subject'

/** What a draft asks to be reviewed, by key; the time is given where it is not that of the batch. */
export type NewReviews = Map<string, { readonly cause?: ReviewCause; readonly since?: string }>

export function reviewEntries(reviews: NewReviews, now: Date): readonly Entry[] {
  return Array.from(reviews, ([key, { cause, since = now.toISOString() }]) => {
    return [key, { since, note: randomUUID(), ...(cause && { cause }) } satisfies Review]
  })
}

export interface QueuedReview {
  readonly key: string
  readonly review: Review
  readonly digest: Digest
  /** Empty for content. */
  readonly repository: string
}

/** Undefined: no key of ours. */
export function readReview(kind: ReviewKind, [key, value]: Entry): QueuedReview | undefined {
  const subject = key.slice(keys.reviews(kind).length)
  const end = kind === 'content' ? -1 : subject.indexOf(':')
  const digest = parseDigest(subject.slice(end + 1))
  return digest && { key, review: value as Review, digest, repository: subject.slice(0, Math.max(0, end)) }
}
