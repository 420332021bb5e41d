import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { RepositoryPattern } from '../protocol/repository-pattern.ts'
import type { Registry } from '../registry/registry.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { Bases } from './bases.ts'
import { leaveScope, runIteration } from './iteration.ts'
import { codeOf, describe, detailOf, isContact } from './problems.ts'
import { nextIteration, openUntil, type Schedule } from './schedule.ts'
import type { IterationOutcome, IterationSummary, StatusBoard } from './status.ts'
import { createTransfers } from './transfers.ts'

/** What the settings ask of sync. A new parent object stands for a new connection. */
export interface SyncWish {
  readonly parent: ParentRegistry | undefined
  readonly patterns: readonly RepositoryPattern[]
  readonly schedule: Schedule
  readonly mode: Mode
}

/** Runs iterations by schedule and on demand, one at a time. */
export interface SyncEngine {
  /** Takes new settings into force: the running iteration is cut, what left the scope goes, the rest follows the schedule. */
  apply(wish: SyncWish): void
  /** One iteration now, whatever the schedule says; resolves to its summary. A running one is joined. */
  sync(options?: { readonly complete?: boolean }): Promise<IterationSummary | undefined>
  stop(): Promise<void>
}

export interface EngineOptions {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly bases: Bases
  readonly board: StatusBoard
  readonly log: Log
  readonly now?: () => Date
  readonly random?: () => number
  readonly transferConcurrency?: number
  /** Told after each iteration that changed what is here. */
  readonly onIteration?: () => void
}

/** With a plain parent that lists tags only, referrers attached later are looked for every so many rounds. */
const completeEvery = 10
const longestTimerMs = 2 ** 31 - 1

export function createSyncEngine(options: EngineOptions): SyncEngine {
  const {
    registry,
    blobs,
    bases,
    board,
    log,
    now = () => new Date(),
    random = Math.random,
    transferConcurrency = 6,
    onIteration
  } = options
  const transfers = createTransfers({
    blobs,
    concurrency: transferConcurrency,
    onBytes: (bytes) => board.arrived({ bytes })
  })
  const shrunk = new Set<string>()
  let wish: SyncWish | undefined
  let timer: NodeJS.Timeout | undefined
  let running:
    | { readonly done: Promise<unknown>; readonly abort: AbortController; readonly complete: boolean }
    | undefined
  let leaving: Promise<void> = Promise.resolve()
  let rounds = 0
  let stopped = false

  function begin(complete: boolean, until?: Date): Promise<IterationSummary | undefined> {
    const abort = new AbortController()
    const closing = until && setTimeout(() => abort.abort(new WindowClosed()), until.getTime() - now().getTime())
    const done = leaving
      .then(() => iterate(complete, abort.signal))
      .finally(() => {
        clearTimeout(closing)
        running = undefined
      })
    running = { done, abort, complete }
    return done
  }

  async function iterate(complete: boolean, signal: AbortSignal): Promise<IterationSummary | undefined> {
    const { parent, patterns, mode } = wish ?? {}
    if (!parent || !patterns || !mode || patterns.length === 0 || signal.aborted) return undefined
    const correlationId = randomUUID()
    board.started(correlationId)
    const context = { registry, bases, transfers, parent, mode, patterns, board, log, shrunk, complete, correlationId }
    const outcome = await runIteration(context, signal).catch((error: unknown) => failed(error, correlationId, signal))
    rounds = outcome.reached ? rounds + 1 : 0
    board.ended(signal.aborted ? 'Aborted' : outcome.details.length === 0 ? 'Succeeded' : 'Failed', outcome)
    const last = board.read().last
    if (last) logOutcome(last)
    if (last && last.artifacts + last.removed > 0) onIteration?.()
    return last
  }

  function failed(error: unknown, correlationId: string, signal: AbortSignal): IterationOutcome {
    const { repositories, connectionState, details } = board.read()
    if (signal.aborted)
      return { correlationId, removed: 0, repositories, reached: connectionState !== 'Offline', details }
    log.warn({ code: codeOf(error), reason: describe(error) }, 'iteration failed')
    return { correlationId, removed: 0, repositories, reached: isContact(error), details: [detailOf(error, 'sync')] }
  }

  function logOutcome(last: IterationSummary): void {
    const { correlationId, result, artifacts, bytes, removed } = last
    const changed = artifacts > 0 || removed > 0 || result !== 'Succeeded'
    log[changed ? 'info' : 'debug']({ correlationId, result, artifacts, bytes, removed }, 'iteration ended')
  }

  /** Continuous: one round after another, a minute apart. Otherwise: at the tick, until the window closes. */
  function schedule(immediately: boolean): void {
    clearTimeout(timer)
    const at = now()
    const next = stopped ? undefined : nextRun(at, immediately)
    board.scheduled(next)
    if (!next) return
    const wait = Math.max(0, next.getTime() - at.getTime())
    timer = setTimeout(() => (wait > longestTimerMs ? schedule(false) : tick()), Math.min(wait, longestTimerMs))
  }

  function nextRun(at: Date, immediately: boolean): Date | undefined {
    if (!wish?.parent || wish.patterns.length === 0) return undefined
    return immediately && openUntil(wish.schedule, at) ? at : nextIteration(wish.schedule, at, random)
  }

  function tick(): void {
    if (!wish) return
    const open = openUntil(wish.schedule, now())
    const until = open instanceof Date ? open : undefined
    const isComplete = rounds % completeEvery === 0
    const done = running?.done ?? begin(isComplete, until)
    done
      .catch((error: unknown) => log.error({ reason: describe(error) }, 'iteration ended unexpectedly'))
      .finally(() => schedule(false))
  }

  /** In ReadWrite mode a repository that left the scope stays: it may hold what clients of this site alone have pushed. */
  async function leave({ patterns, mode }: SyncWish): Promise<void> {
    if (mode === 'ReadWrite') return
    await leaveScope({ registry, bases }, patterns, (repository) => {
      board.forgot(repository)
      log.info({ repository }, 'repository left the scope and was removed')
    })
  }

  return {
    apply(next) {
      if (wish && isDeepStrictEqual(scopeOf(wish), scopeOf(next)) && wish.parent === next.parent) return
      const isSameParent = wish?.parent === next.parent
      wish = next
      board.connectedTo(next.parent?.host)
      running?.abort.abort(new SettingsChanged())
      if (!isSameParent) shrunk.clear()
      rounds = 0
      leaving = Promise.allSettled([leaving, running?.done])
        .then(() => leave(next))
        .catch((error: unknown) => log.error({ code: codeOf(error), reason: describe(error) }, 'scope not applied'))
      leaving.then(() => schedule(true))
    },
    async sync({ complete = false } = {}) {
      while (running && complete && !running.complete) await running.done
      const summary = (await (running?.done ?? begin(complete))) as IterationSummary | undefined
      schedule(false)
      return summary
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      running?.abort.abort(new Stopping())
      await Promise.allSettled([leaving, running?.done])
    }
  }
}

function scopeOf({ patterns, schedule, mode }: SyncWish) {
  return { patterns, schedule, mode }
}

class WindowClosed extends Error {
  override readonly name = 'WindowClosed'
  readonly code = 'WINDOW_CLOSED'
}

class SettingsChanged extends Error {
  override readonly name = 'SettingsChanged'
  readonly code = 'SETTINGS_CHANGED'
}

class Stopping extends Error {
  override readonly name = 'Stopping'
  readonly code = 'STOPPING'
}
