import type { BackoffRange } from './backoff.ts'

/** Every delay of the conversation with edgeHub, so that a test need not wait for any. */
export interface Timings {
  /** TCP, TLS and CONNACK. */
  readonly connectMs: number
  /** One twin request or subscription: they travel by QoS 0, and a lost answer is never sent again. */
  readonly requestMs: number
  /** A polite DISCONNECT; then the socket is destroyed. */
  readonly closeMs: number
  /** A line that is silently dead is noticed within two of these. */
  readonly keepAliveSeconds: number
  readonly reconnect: BackoffRange
  /** A connection that held this long was a good one: the next attempt comes soon. */
  readonly stableMs: number
  readonly tokenLifeMs: number
  readonly tokenRenewAfterMs: number
  readonly signRetryMs: number
  readonly reportRetry: BackoffRange
  readonly methodMs: number
}

export const defaultTimings: Timings = {
  connectMs: 20_000,
  requestMs: 30_000,
  closeMs: 2_000,
  keepAliveSeconds: 30,
  reconnect: { minimumMs: 250, maximumMs: 30_000 },
  stableMs: 60_000,
  tokenLifeMs: 3_600_000,
  tokenRenewAfterMs: 2_700_000,
  signRetryMs: 10_000,
  reportRetry: { minimumMs: 1_000, maximumMs: 300_000 },
  methodMs: 25_000
}
