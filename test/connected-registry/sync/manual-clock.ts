import type { WallClock } from '../../../modules/connected-registry/src/sync/wall-clock.ts'

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends WallClock {
  /** Time goes by, and calls what is due on the way, in order. */
  advance(milliseconds: number): void
  /** Somebody sets the clock; no time goes by. */
  set(now: Date): void
  /** How many wait. */
  readonly waiting: number
}

export function createManualClock(start: string): ManualClock {
  const timers = new Set<{ readonly due: number; readonly act: () => void }>()
  let elapsed = 0
  let offset = Date.parse(start)
  return {
    now: () => new Date(offset + elapsed),
    after(milliseconds, act) {
      const timer = { due: elapsed + Math.max(0, milliseconds), act }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(milliseconds) {
      const end = elapsed + milliseconds
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.due - b.due)
        if (!next || next.due > end) break
        elapsed = Math.max(elapsed, next.due)
        timers.delete(next)
        next.act()
      }
      elapsed = end
    },
    set(now) {
      offset = now.getTime() - elapsed
    },
    get waiting() {
      return timers.size
    }
  }
}
