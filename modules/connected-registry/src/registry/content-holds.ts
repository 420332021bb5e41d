import type { Digest } from '../protocol/digest.ts'

/**
 * Content that is being brought into repositories, and content that is being removed: a digest is never both at once. Between the
 * moment at which somebody has found or stored bytes and the batch that links them, no record says that they are wanted.
 * In memory, since one process owns a store, and whoever holds something ends with it.
 */
export interface ContentHolds {
  /** While the work goes on, the content stays. Waits for a removal under way; holds may overlap and nest. */
  hold<T>(digest: Digest, work: () => Promise<T>): Promise<T>
  /** Undefined at once: it is held, or being removed. Otherwise nobody holds it until the work is done. */
  remove<T>(digest: Digest, work: () => Promise<T>): Promise<T> | undefined
  isHeld(digest: Digest): boolean
}

export function createContentHolds(): ContentHolds {
  const held = new Map<Digest, number>()
  const removals = new Map<Digest, Promise<unknown>>()

  function count(digest: Digest, by: 1 | -1): void {
    const left = (held.get(digest) ?? 0) + by
    if (left === 0) held.delete(digest)
    else held.set(digest, left)
  }

  return {
    async hold(digest, work) {
      for (let removal = removals.get(digest); removal; removal = removals.get(digest)) await removal
      count(digest, 1)
      try {
        return await work()
      } finally {
        count(digest, -1)
      }
    },
    remove(digest, work) {
      if (held.has(digest) || removals.has(digest)) return undefined
      const running = work()
      const ended = running.then(
        () => removals.delete(digest),
        () => removals.delete(digest)
      )
      removals.set(digest, ended)
      return running
    },
    isHeld: (digest) => held.has(digest)
  }
}
