import type { Digest } from '../protocol/digest.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { ContentHolds } from './content-holds.ts'
import { createCollection } from './garbage-run.ts'

/** Removes what nothing names any more, while everything else goes on: no lock that a push or a pull would meet. */
export interface Garbage {
  /**
   * One run over what waits for a review, after any that is under way. An abort ends it between two removals, with the signal's
   * reason; what is done is done, and the rest waits for the next run.
   */
  collect(options?: CollectOptions): Promise<GarbageReport>
}

export interface CollectOptions {
  /** Left out: now. */
  readonly now?: Date
  /** Nothing is removed; the report says what would be. */
  readonly dryRun?: boolean
  readonly signal?: AbortSignal
}

export interface GarbageReport {
  readonly dryRun: boolean
  /** What had waited long enough to be looked at. */
  readonly reviewed: number
  /** Manifests taken out of a repository; then blobs. The content may still be in another one. */
  readonly manifestsRemoved: number
  readonly linksRemoved: number
  /** Blobs that left the store, and their bytes. */
  readonly blobsRemoved: number
  readonly bytesFreed: number
  /** Bytes of manifests that left the store. */
  readonly manifestBytesRemoved: number
  /** Blobs that no record knew, found by reading the whole store; they wait from now on. Undefined: not read this time. */
  readonly orphansFound?: number
  /** RFC 3339, UTC: when the next of what waits has waited long enough. Undefined: nothing waits. */
  readonly nextReviewAt?: string
  /** How many of the reviewed stay, by reason. */
  readonly kept: Readonly<Partial<Record<KeptReason, number>>>
}

/**
 * `tagged`, `used` by a manifest, about a `subject` that is here, `linked` by a repository, `wanted` by the parent or a copy that is
 * not complete; `busy`: somebody works with it just now, and the next run looks again; `gone`: it was removed already.
 */
export type KeptReason = 'tagged' | 'used' | 'subject' | 'linked' | 'wanted' | 'busy' | 'gone'

/** What is decided elsewhere. Asked in every run anew. */
export interface GarbagePolicy {
  /** How long content stays that nothing names, milliseconds. */
  readonly graceMs: number
  /** How long a manifest stays without a tag, milliseconds. Undefined: for ever. */
  readonly untaggedAfterMs?: number
  /** Whether something must stay all the same; `since`: when it was left, or linked (RFC 3339). */
  isWanted(repository: string, digest: Digest, since: string): Promise<boolean>
}

export const dayMs = 24 * 3_600_000

export const defaultPolicy: GarbagePolicy = { graceMs: dayMs, isWanted: async () => false }

export interface GarbageDeps {
  readonly records: RecordStore
  readonly blobs: BlobStore
  readonly holds: ContentHolds
  readonly policy?: () => GarbagePolicy
  readonly now: () => Date
  /** Between two readings of the whole store for blobs that no record knows, milliseconds. */
  readonly sweepEveryMs?: number
}

export function createGarbage(deps: GarbageDeps): Garbage {
  const { records, blobs, holds, policy = () => defaultPolicy, now, sweepEveryMs = 7 * dayMs } = deps
  let last: Promise<unknown> = Promise.resolve()
  return {
    collect({ now: at = now(), dryRun = false, signal } = {}) {
      const collection = { records, blobs, holds, policy: policy(), sweepEveryMs, now: at, dryRun, signal }
      const run = last.then(() => createCollection(collection).run())
      last = run.catch(() => undefined)
      return run
    }
  }
}
