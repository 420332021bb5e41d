/** Holds work up so that no more than a number of bytes a second go through it. */
export interface Pace {
  /** Resolves when that many bytes more were allowed; undefined: at once. Throws the signal's reason when it aborts. */
  spend(bytes: number): Promise<void> | undefined
}

export interface PaceOptions {
  readonly bytesPerSecond: number
  /** Milliseconds that only grow. */
  readonly now: () => number
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

// Shorter pauses would be as long as their timers are inexact.
const shortestPauseMs = 20

export function createPace({ bytesPerSecond, now, pause }: PaceOptions, signal: AbortSignal): Pace {
  let dueAt = now()
  return {
    spend(bytes) {
      signal.throwIfAborted()
      // What was not used before is lost: after a rest nothing is made up for.
      dueAt = Math.max(dueAt, now()) + (bytes / bytesPerSecond) * 1000
      const ahead = dueAt - now()
      return ahead < shortestPauseMs ? undefined : pause(ahead, signal)
    }
  }
}
