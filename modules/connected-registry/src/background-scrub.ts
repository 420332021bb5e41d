import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { scrub } from './integrity/scrub.ts'
import { keys } from './storage/layout.ts'
import type { RecordStore } from './storage/record-store.ts'
import type { Store } from './store.ts'
import { describe } from './sync/problems.ts'

/** Little enough that nobody notices: 50 GiB take four hours. */
const bytesPerSecond = 4 * 1024 * 1024
const everyMs = 7 * 24 * 3_600_000
const lookEveryMs = 3_600_000

export interface BackgroundScrubOptions {
  readonly store: Pick<Store, 'blobs' | 'records'>
  readonly log: Log
  readonly onDamage: () => void
  readonly now?: () => Date
  /** An hour where it is not given. Rejects when the signal is aborted. */
  readonly untilNextLook?: (signal: AbortSignal) => Promise<void>
}

export interface BackgroundScrub {
  status(): Promise<ScrubStatus>
  stop(): Promise<void>
}

export interface ScrubStatus {
  /** When a run came to its end; over restarts. */
  readonly lastEndedAt?: Date
  /** Contents since the start. */
  readonly damaged: number
}

/** Reads all content once a week while the registry serves; goes on after a restart or a failure where it was. */
export function startBackgroundScrub(options: BackgroundScrubOptions): BackgroundScrub {
  const stopping = new AbortController()
  const { signal } = stopping
  let damaged = 0
  const onDamage = () => {
    damaged += 1
    options.onDamage()
  }
  const ended = scrubAgain({ ...options, onDamage }, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
  return {
    async status() {
      const last = await lastRun(options.store.records)
      return { damaged, ...(Number.isFinite(last) && { lastEndedAt: new Date(last) }) }
    },
    stop() {
      stopping.abort()
      return ended
    }
  }
}

async function scrubAgain(options: BackgroundScrubOptions, signal: AbortSignal): Promise<never> {
  const { log, untilNextLook = () => wait(lookEveryMs, signal) } = options
  for (;;) {
    // Not at once: whoever starts has better things to do.
    await untilNextLook(signal)
    // What stands in the way, such as a full disk, may be gone at the next look.
    await scrubIfDue(options, signal).catch((error: unknown) => {
      if (signal.aborted) throw error
      log.error({ reason: describe(error) }, 'content not read')
    })
  }
}

/** One run where the last one came to its end a week ago, or never did. */
export async function scrubIfDue(
  { store, log, onDamage, now = () => new Date() }: BackgroundScrubOptions,
  signal: AbortSignal
): Promise<void> {
  const { records, blobs } = store
  if (now().getTime() - (await lastRun(records)) < everyMs) return
  const pace = { bytesPerSecond, now: () => performance.now(), pause: wait }
  const report = await scrub(
    {
      blobs,
      records,
      pace,
      onDamage: ({ digest, kind, reason }) => {
        log.error({ digest, kind, reason }, 'damaged content found')
        onDamage()
      }
    },
    signal
  )
  await records.commit({ put: [[keys.scrubbedAt, now().toISOString()]] })
  log.info({ blobs: report.blobs, bytes: report.bytes, damaged: report.damage.length }, 'content read')
}

async function lastRun(records: RecordStore): Promise<number> {
  const at = await records.get(keys.scrubbedAt)
  const time = typeof at === 'string' ? Date.parse(at) : Number.NaN
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal, ref: false })
}
