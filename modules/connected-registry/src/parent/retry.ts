import { ParentError } from './parent-error.ts'

export interface RetryPolicy {
  /** Attempts after the first one. */
  readonly retries: number
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  /** A longer Retry-After is not waited for here: the error tells the caller. */
  readonly longestRetryAfterMs: number
}

export const defaultRetryPolicy: RetryPolicy = {
  retries: 3,
  firstPauseMs: 500,
  longestPauseMs: 20_000,
  longestRetryAfterMs: 60_000
}

/** Whole milliseconds until the next attempt, or undefined where there should be none. `attempt` counts from 0. */
export function pauseBeforeRetry(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  random: () => number
): number | undefined {
  if (!(error instanceof ParentError) || !error.retryable || error.code === 'BREAKER_OPEN') return undefined
  if (attempt >= policy.retries) return undefined
  const pause = Math.min(policy.firstPauseMs * 2 ** attempt, policy.longestPauseMs)
  if (error.retryAfterMs === undefined) return Math.round(pause * (0.5 + random() / 2))
  // Never earlier than asked for; the jitter only adds.
  return error.retryAfterMs > policy.longestRetryAfterMs
    ? undefined
    : error.retryAfterMs + Math.round((random() * pause) / 2)
}

/**
 * RFC 9110, section 10.2.3: seconds or a date, in milliseconds from now. A date is read against the answer's own `Date`,
 * so that a device with a wrong date waits no longer than asked. Undefined: missing or malformed.
 */
export function parseRetryAfter(header: string | undefined, answerDate: string | undefined): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const span = Date.parse(text) - Date.parse(answerDate ?? '')
  return Number.isNaN(span) ? undefined : Math.max(0, span)
}
