import type { Clock } from './clock.ts'

/** Stops asking a host that keeps failing; after a growing pause one request, the probe, may find out whether it is back. */
export interface Breaker {
  /** Undefined: not now, see `waitMs`. Each pass must be ended by exactly one of its three calls. */
  enter(): Pass | undefined
  /** Until the next probe may go; 0 while requests pass. */
  waitMs(): number
  /** What the last failure was, as of an "it". */
  readonly reason: string | undefined
}

export interface Pass {
  succeeded(): void
  failed(reason?: string): void
  /** The request was given up before it told anything. */
  abandoned(): void
}

export interface BreakerPolicy {
  /** Consecutive failures that open it; of requests that were under way at once, one. */
  readonly failures: number
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

export const defaultBreakerPolicy: BreakerPolicy = { failures: 5, firstPauseMs: 5_000, longestPauseMs: 60_000 }

interface Deps {
  readonly clock: Pick<Clock, 'now'>
  readonly random: () => number
}

export function createBreaker(policy: BreakerPolicy, { clock, random }: Deps): Breaker {
  let failures = 0
  let countedFailures = 0
  let timesOpened = 0
  let closedAgainAt: number | undefined
  let probing = false
  let reason: string | undefined

  function open(): void {
    const pause = Math.min(policy.firstPauseMs * 2 ** timesOpened, policy.longestPauseMs)
    timesOpened++
    // Jitter, so that many sites that lost the same parent do not come back in the same second.
    closedAgainAt = clock.now() + pause * (0.5 + random() / 2)
  }

  function close(): void {
    failures = 0
    timesOpened = 0
    closedAgainAt = undefined
  }

  function pass(isProbe: boolean): Pass {
    const countedBefore = countedFailures
    const ended = () => {
      if (isProbe) probing = false
    }
    return {
      abandoned: ended,
      succeeded() {
        ended()
        close()
      },
      failed(why) {
        ended()
        reason = why
        // What left before the last failure says nothing new: neither beside it, nor after it opened.
        if (countedBefore !== countedFailures) return
        countedFailures++
        failures++
        if (isProbe || failures >= policy.failures) open()
      }
    }
  }

  return {
    get reason() {
      return reason
    },
    enter() {
      if (closedAgainAt === undefined) return pass(false)
      if (probing || clock.now() < closedAgainAt) return undefined
      probing = true
      return pass(true)
    },
    waitMs() {
      if (closedAgainAt === undefined) return 0
      return Math.max(closedAgainAt - clock.now(), probing ? policy.firstPauseMs : 0)
    }
  }
}
