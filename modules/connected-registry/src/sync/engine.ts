import { randomUUID } from 'node:crypto'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Registry } from '../registry/registry.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { RecordStore } from '../storage/record-store.ts'
import type { Bases } from './bases.ts'
import { isNotice, runIteration } from './iteration.ts'
import { leaveScope } from './leave-scope.ts'
import type { Outbound } from './outbound.ts'
import { createPending, watchPending } from './pending.ts'
import { codeOf, describe, detailOf, isContact } from './problems.ts'
import { askAnother } from './refusals.ts'
import { createRoundMemory, createSyncPlaces } from './repository-context.ts'
import { type Beginning, type Extent, Interruption, isJoined, logOutcome, type Running } from './running-iteration.ts'
import { nextIteration, openUntil } from './schedule.ts'
import { isInScope } from './scope.ts'
import type { IterationOutcome, IterationSummary, StatusBoard } from './status.ts'
import { isSameWish, type SyncWish } from './sync-wish.ts'
import type { TransferJournal } from './transfer-journal.ts'
import { createTransfers, type TransferOptions } from './transfers.ts'
import { dropUnwanted } from './unwanted-transfers.ts'
import { systemWallClock, type WallClock } from './wall-clock.ts'

/** Runs iterations by schedule and on demand, one at a time. */
export interface SyncEngine {
  /** Takes new settings into force: the running iteration is cut, what left the scope goes, the rest follows the schedule. */
  apply(wish: SyncWish): void
  /**
   * One iteration now, whatever the schedule says; resolves to its summary, undefined where nothing can be synced. A running one
   * is joined. `complete`: everything is compared, whatever the parent says has changed. `fresh`: it looks at nothing before now, so
   * that none is joined. `only`: just these repositories, those in trouble and what clients changed, where the last iteration left
   * nothing else undone.
   * These two keep to the window: they end with it, and where none is open any more nothing is synced.
   */
  sync(options?: SyncRequest): Promise<IterationSummary | undefined>
  /** What `isFed` says changed. */
  reschedule(): void
  stop(): Promise<void>
}

export interface SyncRequest {
  readonly complete?: boolean
  readonly fresh?: boolean
  readonly only?: ReadonlySet<string>
}

export interface EngineOptions {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly bases: Bases
  readonly outbound: Outbound
  readonly journal: TransferJournal
  readonly board: StatusBoard
  readonly log: Log
  readonly clock?: WallClock
  readonly random?: () => number
  readonly transfer?: Partial<Pick<TransferOptions, 'concurrency' | 'attempts' | 'pauseMs' | 'partBytes'>>
  /** Told after each iteration that changed what is here. */
  readonly onIteration?: () => void
  /** Told of every iteration that ended. */
  readonly onEnded?: (last: IterationSummary) => void
  /** What must be known of the parent before the whole scope is looked at. Where it throws, the iteration failed. */
  readonly prepare?: (signal: AbortSignal) => Promise<void>
  /** `RepositoryContext.confirm` */
  readonly confirm?: (signal: AbortSignal) => Promise<void>
  /** The parent tells by itself what changes there: looking at the whole scope is a safety net. */
  readonly isFed?: () => boolean
}

/** Each takes one or two megabytes of memory; a layer that waits for a place costs a long link a second wave. */
const parallelContents = 20
/** Every so many rounds, what is here is looked at too, and referrers are asked for where the parent lists tags only. */
const thoroughEvery = 10
/** A device's clock may be set long after its start, by years: nobody sleeps longer without another look at it. */
const longestSleepMs = 10 * 60_000

export function createSyncEngine(options: EngineOptions): SyncEngine {
  const { registry, blobs, records, bases, outbound, journal, board, log, onIteration, onEnded } = options
  const {
    clock = systemWallClock,
    random = Math.random,
    prepare = async () => {},
    isFed = () => false,
    confirm = async () => {}
  } = options
  const onBytes = (bytes: number) => board.arrived({ bytes })
  const transfers = createTransfers({ blobs, journal, concurrency: parallelContents, ...options.transfer, onBytes })
  const places = createSyncPlaces()
  const pending = createPending({ outbound, board })
  const watch = watchPending({
    changes: registry.changes,
    outbound,
    pending,
    scope: () => (wish?.parent ? wish.patterns : undefined),
    isWritten: () => wish?.mode === 'ReadWrite',
    clock,
    log
  })
  let memory = createRoundMemory()
  let wish: SyncWish | undefined
  let callOff: () => void = () => {}
  let running: Running | undefined
  let leaving: Promise<void> = Promise.resolve()
  /** What the last iteration left undone. Undefined: it may be anywhere. */
  let troubled: readonly string[] | undefined
  let rounds = 0
  let stopped = false

  function begin(
    complete: boolean,
    { until, retryRefused = false, only }: Beginning = {}
  ): Promise<IterationSummary | undefined> {
    const abort = new AbortController()
    const close = () => abort.abort(new Interruption('WINDOW_CLOSED'))
    const keepOpen = until && clock.after(until.getTime() - clock.now().getTime(), close)
    const done = leaving
      .then(() => iterate({ complete, retryRefused, only }, abort.signal))
      .finally(() => {
        keepOpen?.()
        running = undefined
      })
    running = { done, abort, retryRefused, isPartial: only !== undefined }
    return done
  }

  async function iterate(extent: Extent, signal: AbortSignal): Promise<IterationSummary | undefined> {
    const { parent, patterns = [], mode } = wish ?? {}
    if (!parent || !mode || patterns.length === 0 || signal.aborted) return undefined
    const correlationId = randomUUID()
    board.started(correlationId)
    const { now } = clock
    const isPartial = extent.only !== undefined
    const stores = { registry, blobs, records, bases, outbound, transfers, board, pending, places, confirm, log }
    const thorough = !isPartial && rounds % thoroughEvery === 0
    const context = { ...stores, ...extent, parent, mode, patterns, memory, thorough, correlationId, now }
    const prepared = isPartial ? Promise.resolve() : prepare(signal)
    const outcome = await prepared
      .then(() => runIteration(context, signal))
      .catch((error: unknown) => failed(error, correlationId, signal))
    // What was cut is not done: a comparison of everything has to begin anew. Else a link may break, and costs none.
    if (!signal.aborted && outcome.reached && !isPartial) {
      rounds++
      await dropUnwanted(journal, { isComplete: outcome.details.length === 0, now: clock.now(), log })
    } else if (extent.complete) rounds = 0
    troubled = signal.aborted ? undefined : outcome.troubled
    board.ended(signal.aborted ? 'Aborted' : outcome.details.length === 0 ? 'Succeeded' : 'Failed', outcome)
    const last = board.read().last
    if (last) logOutcome(log, last)
    if (last) onEnded?.(last)
    if (last && last.artifacts + last.removed > 0) onIteration?.()
    return last
  }

  function failed(error: unknown, correlationId: string, signal: AbortSignal): IterationOutcome {
    const { connectionState, details } = board.read()
    if (signal.aborted) return { correlationId, reached: connectionState !== 'Offline', details }
    log.warn({ code: codeOf(error), reason: describe(error) }, 'iteration failed')
    // What stays so whether the parent is there or not is told on.
    const notices = details.filter(({ code }) => isNotice(code))
    return { correlationId, reached: isContact(error), details: [detailOf(error, 'sync')], notices }
  }

  /** Continuous: one round after another, a minute apart. Otherwise: at the tick, until the window closes. */
  function schedule(immediately: boolean): void {
    waitFor(nextRun(immediately))
  }

  function nextRun(immediately: boolean): Date | undefined {
    if (stopped || !wish?.parent || wish.patterns.length === 0) return undefined
    const at = clock.now()
    if (immediately && openUntil(wish.schedule, at)) return at
    return nextIteration(wish.schedule, at, random, isFed() && !isUndone())
  }

  function waitFor(next: Date | undefined): void {
    callOff()
    board.scheduled(next)
    if (!next) return
    const wait = Math.max(0, next.getTime() - clock.now().getTime())
    callOff = clock.after(Math.min(wait, longestSleepMs), () => wake(next))
  }

  function wake(next: Date): void {
    const due = nextRun(false)
    if (clock.now() >= next) tick()
    // Too early; or the clock was set back meanwhile, and it would be long until then.
    else waitFor(due && due < next ? due : next)
  }

  function tick(): void {
    board.scheduled(undefined)
    const open = wish && openUntil(wish.schedule, clock.now())
    const until = open === 'open' ? undefined : open
    // Where no window is open, the device slept through it, or its clock was set forward.
    const beginDue = () => running?.done ?? (open ? begin(isFirst(), { until }) : Promise.resolve(undefined))
    const done = running?.isPartial ? running.done.then(beginDue) : beginDue()
    const end = (last: IterationSummary | undefined) => schedule(last?.result === 'Aborted')
    done.then(end, (error: unknown) => {
      log.error({ reason: describe(error) }, 'iteration ended unexpectedly')
      schedule(false)
    })
  }

  /** What happened before, while nobody looked, is not known. */
  function isFirst(): boolean {
    return rounds === 0
  }

  function closingTime(): Date | undefined {
    const open = wish && openUntil(wish.schedule, clock.now())
    return open === 'open' ? undefined : open
  }

  function isClosed(): boolean {
    return wish !== undefined && openUntil(wish.schedule, clock.now()) === undefined
  }

  /** What an iteration over a part must not hide: another part is not as it should be. */
  function isUndone(): boolean {
    return board.read().last?.result !== 'Succeeded'
  }

  /** With what is in trouble, for its details count until it is well: of the whole scope where that may be anywhere. */
  async function syncPart(asked: ReadonlySet<string>): Promise<IterationSummary | undefined> {
    const until = closingTime()
    const only = isFirst() || !troubled ? undefined : new Set([...asked, ...troubled])
    const wasUndone = isUndone()
    const last = await begin(isFirst(), { until, only })
    // The round that is due because of what was undone before stays: who asks each minute must not put it off for ever.
    if (!only || (isUndone() && !wasUndone)) schedule(false)
    return last
  }

  /** In ReadWrite mode a repository that left the scope stays: it may hold what clients of this site alone have pushed. */
  async function leave(next: SyncWish): Promise<void> {
    const { patterns, mode } = next
    if (patterns.length > 0) board.forgot((repository) => !isInScope(patterns, repository))
    if (mode === 'ReadOnly')
      await leaveScope({ registry, bases, outbound, log, isInForce: () => wish === next }, patterns)
  }

  return {
    apply(next) {
      if (stopped || (wish && isSameWish(wish, next))) return
      const former = wish?.parent
      wish = next
      rounds = 0
      watch.look()
      running?.abort.abort(new Interruption('SETTINGS_CHANGED'))
      leaving = Promise.allSettled([leaving, running?.done])
        .then(async () => {
          if (former !== next.parent) memory = createRoundMemory()
          board.connectedTo(next.parent?.host)
          await leave(next)
          await askAnother(outbound, former, next.parent)
        })
        .catch((error: unknown) => log.error({ code: codeOf(error), reason: describe(error) }, 'scope not applied'))
      leaving.then(() => schedule(true))
    },
    async sync({ complete = false, fresh = false, only } = {}) {
      const isAlone = fresh || only !== undefined
      while (running && (isAlone || !isJoined(running, complete))) await Promise.allSettled([running.done])
      if (stopped || (isAlone && isClosed())) return undefined
      if (only) return syncPart(only)
      const until = fresh ? closingTime() : undefined
      const summary = await (running?.done ?? begin(complete || isFirst(), { retryRefused: complete, until }))
      schedule(false)
      return summary
    },
    reschedule() {
      if (!running) schedule(false)
    },
    async stop() {
      stopped = true
      callOff()
      running?.abort.abort(new Interruption('STOPPING'))
      await Promise.allSettled([leaving, running?.done, watch.stop()])
    }
  }
}
