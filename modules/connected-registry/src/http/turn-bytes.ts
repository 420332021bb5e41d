/** How much of all bodies together one turn of the event loop takes in, so that other requests get theirs. */
export interface TurnBytes {
  /** False: that was it for this turn, and `next` is called in the next one. */
  take(bytes: number, next: () => void): boolean
}

export function createTurnBytes(limit: number): TurnBytes {
  let taken = 0
  const waiting: (() => void)[] = []

  function begin(): void {
    taken = 0
    for (const next of waiting.splice(0)) next()
  }

  return {
    take(bytes, next) {
      if (taken === 0) setImmediate(begin)
      taken += bytes
      if (taken < limit) return true
      waiting.push(next)
      return false
    }
  }
}
