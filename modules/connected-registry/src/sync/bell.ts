import type { Clock } from '../parent/clock.ts'

/** Rung once, it is heard once, also by who listens later. */
export function createBell() {
  let isRung = false
  let hear: (() => void) | undefined
  return {
    ring() {
      isRung = true
      hear?.()
    },
    hush() {
      isRung = false
    },
    async rungWithin(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
      const enough = new AbortController()
      hear = () => enough.abort()
      if (!isRung) await clock.sleep(ms, AbortSignal.any([signal, enough.signal])).catch(() => signal.throwIfAborted())
      hear = undefined
      isRung = false
    }
  }
}
