/**
 * How much all readers together take in with one turn of the event loop. Who reads from sockets that are never empty would else be
 * handed megabytes of all of them in a turn, in which nobody else is answered.
 */
export interface ReadTurns {
  /** Calls `read` in this turn, or in the first one that has room; in order. `bytes`: about how many it will bring. */
  take(bytes: number, read: () => void): void
}

interface Waiting {
  readonly bytes: number
  readonly read: () => void
}

/** `limit`: bytes, as of now. */
export function createReadTurns(limit: () => number): ReadTurns {
  const waiting: Waiting[] = []
  let taken = 0
  let isNextDue = false

  function admit(): void {
    while (taken < limit()) {
      const first = waiting.shift()
      if (!first) break
      taken += first.bytes
      first.read()
    }
    if (taken === 0 || isNextDue) return
    isNextDue = true
    setImmediate(begin)
  }

  function begin(): void {
    taken = 0
    isNextDue = false
    admit()
  }

  return {
    take(bytes, read) {
      waiting.push({ bytes, read })
      admit()
    }
  }
}
