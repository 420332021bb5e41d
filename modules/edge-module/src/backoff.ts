/** The n-th wait (from 0) doubles from the minimum to the maximum; half of it is random, so that a fleet spreads out. */
export function backoffMs(attempt: number, range: BackoffRange, random = Math.random): number {
  const full = Math.min(range.maximumMs, range.minimumMs * 2 ** Math.min(attempt, 30))
  return Math.round(full * (0.5 + random() / 2))
}

export interface BackoffRange {
  readonly minimumMs: number
  readonly maximumMs: number
}
