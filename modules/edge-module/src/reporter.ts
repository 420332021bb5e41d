import { isDeepStrictEqual } from 'node:util'
import { type BackoffRange, backoffMs } from './backoff.ts'
import { reasonOf } from './deadline.ts'
import type { Log } from './log.ts'
import { diffPatch, fitReported, type JsonObject, mergePatch, reportedLimits, sizeBytes } from './twin.ts'

/** What the reporter needs of a connection. */
export interface ReportLink {
  report(patch: JsonObject): Promise<void>
  /** What the hub holds now; rejects when the connection is of no use any more. */
  reported(): Promise<JsonObject>
}

/** Brings the hub's reported properties to the wanted state: one patch at a time, the latest state wins. */
export interface Reporter {
  want(state: JsonObject, options?: { readonly urgent?: boolean }): void
  /** A new connection, and what the hub holds: the first report on it goes at once. */
  connected(link: ReportLink, held: JsonObject): void
  disconnected(): void
}

export interface ReporterOptions {
  readonly minimumIntervalMs: number
  readonly retry: BackoffRange
  readonly log: Log
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

const monotonic = () => performance.now()

export function createReporter(options: ReporterOptions): Reporter {
  const { minimumIntervalMs, retry, log, now = monotonic } = options
  let wanted: JsonObject | undefined
  let current: { link: ReportLink; held: JsonObject } | undefined
  let sending = false
  let failures = 0
  let quietUntil = 0
  /** Also what becomes urgent while a report is under way goes at once, behind it. */
  let isUrgent = false
  let timer: NodeJS.Timeout | undefined
  let lastCut: readonly string[] = []

  function pump(): void {
    clearTimeout(timer)
    if (!current || sending || wanted === undefined) return
    const delayMs = isUrgent && failures === 0 ? 0 : quietUntil - now()
    if (delayMs > 0) timer = setTimeout(pump, delayMs)
    else void send(current, wanted)
  }

  async function send(on: NonNullable<typeof current>, state: JsonObject): Promise<void> {
    const patch = nextPatch(on.held, state)
    if (Object.keys(patch).length === 0) return
    sending = true
    isUrgent = false
    try {
      await on.link.report(patch)
      on.held = mergePatch(on.held, patch)
      if (current === on) succeeded()
    } catch (error) {
      if (current === on) await failed(on, error)
    }
    sending = false
    pump()
  }

  function succeeded(): void {
    failures = 0
    quietUntil = now() + minimumIntervalMs
  }

  /** Nobody knows whether the hub applied the patch, for a lost answer looks like a lost request: ask it. */
  async function failed(on: NonNullable<typeof current>, error: unknown): Promise<void> {
    quietUntil = now() + backoffMs(failures++, retry)
    log.warn({ reason: reasonOf(error), failures }, 'reported properties not taken')
    const held = await on.link.reported().catch(() => undefined) // Then a new connection brings what is held.
    if (held) on.held = withoutVersion(held)
  }

  return {
    want(state, { urgent = false } = {}) {
      const fitted = fitReported(state)
      wanted = fitted.state
      if (fitted.cut.length > 0 && !isDeepStrictEqual(fitted.cut, lastCut))
        log.warn({ cut: fitted.cut.slice(0, 20), count: fitted.cut.length }, 'reported properties were cut to fit')
      lastCut = fitted.cut
      if (urgent) isUrgent = true
      pump()
    },
    connected(link, held) {
      current = { link, held: withoutVersion(held) }
      failures = 0
      quietUntil = 0
      pump()
    },
    disconnected() {
      current = undefined
      clearTimeout(timer)
    }
  }
}

/** Where one document cannot hold both the removals and the new state, all that is held goes first. */
function nextPatch(held: JsonObject, wanted: JsonObject): JsonObject {
  const patch = diffPatch(held, wanted)
  if (sizeBytes(patch) <= reportedLimits.documentBytes) return patch
  return Object.fromEntries(Object.keys(held).map((key) => [key, null]))
}

function withoutVersion(reported: JsonObject): JsonObject {
  const { $version: _version, $metadata: _metadata, ...held } = reported
  return held
}
