import { type Batch, ConflictError, type Entry, type Value } from '../storage/record-store.ts'
import type { ChangeLog, NewChange } from './changes.ts'
import { type NewReviews, reviewEntries } from './reviews.ts'

/** One batch in the making, from what the records hold now. */
export interface Draft {
  readonly changes: NewChange[]
  readonly reviews: NewReviews
  readonly put: Entry[]
  readonly remove: string[]
  readonly expect: (readonly [key: string, value: Value | undefined])[]
}

export function emptyDraft(): Draft {
  return { changes: [], reviews: new Map(), put: [], remove: [], expect: [] }
}

const attemptLimit = 100

export interface Terms {
  /** Written in the same batch, also where the draft stays empty. */
  readonly along?: Batch
  /** The key of a record about which the caller has an expectation of its own. */
  readonly expected?: string
}

/**
 * Builds a batch and commits it; builds it anew when what it was built from has changed meanwhile. Where the caller's own
 * expectation does not hold it is ConflictError at once. False: `build` found nothing to remove, and said so;
 * after 'kept' nothing is written at all.
 */
export function transact(
  log: ChangeLog,
  { along, expected }: Terms,
  build: (draft: Draft) => Promise<undefined | false | 'kept'>
): Promise<boolean> {
  const callers = [expected, ...(along?.expect ?? []).map(([key]) => key)]
  return retryConflicts(
    (key) => callers.includes(key),
    async () => {
      const draft = emptyDraft()
      const outcome = await build(draft)
      if (outcome === 'kept') return false
      await commitDraft(log, draft, along)
      return outcome !== false
    }
  )
}

/** Commits nothing where there is nothing to write. */
export async function commitDraft(log: ChangeLog, draft: Draft, along?: Batch): Promise<void> {
  const isEmpty = draft.put.length === 0 && draft.remove.length === 0 && draft.reviews.size === 0
  if (along || !isEmpty) await log.commit(draft.changes, batchOf(draft, log.now(), along))
}

/** Does the work again from the start when it meets a conflict, unless it is one over a key that is `final`. */
export async function retryConflicts<T>(final: (key: string) => boolean, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === attemptLimit || !(error instanceof ConflictError) || final(error.key)) throw error
    }
  }
}

/** The records of a draft, without its log entries. */
export function batchOf(draft: Draft, now: Date, along: Batch = {}): Batch {
  return {
    put: [...draft.put, ...reviewEntries(draft.reviews, now), ...(along.put ?? [])],
    remove: [...draft.remove, ...(along.remove ?? [])],
    expect: [...draft.expect, ...(along.expect ?? [])]
  }
}
