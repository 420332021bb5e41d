import type { Log } from '@connected-registry/edge-module/log.ts'
import { Cron } from 'croner'
import type { GarbageSettings } from './garbage-settings.ts'
import type { Garbage, GarbageReport } from './registry/garbage.ts'
import { codeOf, describe } from './sync/problems.ts'
import { cronOptions } from './sync/schedule.ts'

/** Collects garbage by schedule and on demand. */
export interface GarbageSchedule {
  apply(settings: Pick<GarbageSettings, 'enabled' | 'cron'>): void
  /** A run now, also where none is scheduled. Rejects where it fails or is stopped. */
  collect(options?: { readonly dryRun?: boolean }): Promise<GarbageReport>
  status(): GarbageStatus
  totals(): GarbageTotals
  /** Ends a run under way between two removals. */
  stop(): Promise<void>
}

export interface GarbageStatus {
  /** Dry runs are told to who asked for them only. */
  readonly last?: GarbageReport & { readonly endedAt: string }
  readonly lastProblem?: string
  /** RFC 3339, UTC. Undefined: none is scheduled. */
  readonly next?: string
}

/** Of all runs since the start, without dry ones. */
export interface GarbageTotals extends Pick<GarbageReport, (typeof counted)[number]> {
  readonly succeeded: number
  readonly failed: number
}

const counted = ['manifestsRemoved', 'linksRemoved', 'blobsRemoved', 'bytesFreed', 'manifestBytesRemoved'] as const

export interface GarbageScheduleDeps {
  readonly garbage: Garbage
  readonly log: Log
  readonly now?: () => Date
  /** Told after each run by which something may have changed. */
  readonly onChange?: () => void
}

export function createGarbageSchedule(deps: GarbageScheduleDeps): GarbageSchedule {
  const { garbage, log, now = () => new Date(), onChange = () => {} } = deps
  const stopping = new AbortController()
  let job: Cron | undefined
  let last: GarbageStatus['last']
  let lastProblem: string | undefined
  let running: Promise<unknown> = Promise.resolve()
  const totals = {
    succeeded: 0,
    failed: 0,
    manifestsRemoved: 0,
    linksRemoved: 0,
    blobsRemoved: 0,
    bytesFreed: 0,
    manifestBytesRemoved: 0
  }

  async function run(dryRun: boolean): Promise<GarbageReport> {
    try {
      const report = await garbage.collect({ dryRun, signal: stopping.signal })
      if (!dryRun) note(report)
      return report
    } catch (error) {
      if (!stopping.signal.aborted) {
        lastProblem = describe(error)
        totals.failed += 1
        log.error({ code: codeOf(error), reason: lastProblem }, 'garbage not collected')
        onChange()
      }
      throw error
    }
  }

  function note(report: GarbageReport): void {
    last = { ...report, endedAt: now().toISOString() }
    lastProblem = undefined
    totals.succeeded += 1
    for (const key of counted) totals[key] += report[key]
    const { manifestsRemoved, linksRemoved, blobsRemoved, bytesFreed } = report
    const removed = manifestsRemoved + linksRemoved + blobsRemoved
    log[removed > 0 ? 'info' : 'debug'](
      { manifestsRemoved, linksRemoved, blobsRemoved, bytesFreed },
      'garbage collected'
    )
    onChange()
  }

  function collect(dryRun: boolean): Promise<GarbageReport> {
    const started = run(dryRun)
    running = Promise.allSettled([running, started])
    return started
  }

  return {
    apply({ enabled, cron }) {
      if (stopping.signal.aborted || (enabled && job?.getPattern() === cron)) return
      job?.stop()
      // Its failures are logged and shown in the status.
      const tick = () => void collect(false).catch(() => undefined)
      job = enabled ? new Cron(cron, { ...cronOptions, unref: true }, tick) : undefined
    },
    collect: ({ dryRun = false } = {}) => collect(dryRun),
    totals: () => ({ ...totals }),
    status: () => ({ last, lastProblem, next: job?.nextRun()?.toISOString() }),
    async stop() {
      stopping.abort(new Error('the module stops'))
      job?.stop()
      await running
    }
  }
}
