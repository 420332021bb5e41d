import type { Batch } from '../storage/record-store.ts'

/** One batch that does what all of them do. */
export function together(...batches: readonly Batch[]): Batch {
  return {
    put: batches.flatMap(({ put = [] }) => put),
    remove: batches.flatMap(({ remove = [] }) => remove),
    expect: batches.flatMap(({ expect = [] }) => expect)
  }
}
