import { isDeepStrictEqual } from 'node:util'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { ChildReport } from '../children/child-reports.ts'
import { type Clock, systemClock } from '../parent/clock.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { GatewayConfig, Instance } from '../parent/parent-gateway.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import { messageLimits } from '../protocol/gateway.ts'
import type { Changes } from '../registry/registry.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { createBell } from './bell.ts'
import type { SyncEngine } from './engine.ts'
import { createFeedReader, type FeedReader } from './gateway-feed.ts'
import {
  createGatewaySession,
  type GatewaySession,
  type KeptGateway,
  modeDetails,
  type SessionState
} from './gateway-session.ts'
import type { Outbound } from './outbound.ts'
import { codeOf, describe } from './problems.ts'
import { createPushUp } from './push-up.ts'
import { openUntil, type Schedule } from './schedule.ts'
import type { NewDetail, StatusBoard } from './status.ts'

/** The channel to a parent that is a connected registry: config, feed and status. With a plain parent it is silent. */
export interface GatewayLink {
  /** Another parent object is another connection. `kept`: what was known of it before a restart. */
  apply(wish: GatewayWish): void
  /** Before the whole scope is looked at. Throws SyncBarredError. */
  refresh(signal: AbortSignal): Promise<void>
  /** Before anything is removed because the parent does not show it. */
  confirm(signal: AbortSignal): Promise<void>
  /** Whether what changes above is told here within a second. */
  isFollowing(): boolean
  /** The parent may be one that configures this registry, and has not done so yet. */
  isAwaited(): boolean
  details(): readonly NewDetail[]
  /** The stores above this one, the nearest first. */
  ancestors(): readonly string[]
  /** What `report` gives may be another one. */
  changed(): void
  stop(): Promise<void>
}

export interface GatewayWish {
  readonly parent: ParentRegistry | undefined
  readonly schedule: Schedule
  readonly mode: Mode
  /** No repositories are known: the parent may be the one that names them, whatever the schedule says. */
  readonly isUnconfigured: boolean
}

export interface GatewayLinkOptions {
  readonly instance: Instance
  readonly records: RecordStore
  readonly changes: Changes
  readonly outbound: Outbound
  readonly board: StatusBoard
  readonly engine: () => SyncEngine
  readonly log: Log
  readonly kept: (parent: ParentRegistry) => KeptGateway | undefined
  readonly onConfig: (parent: ParentRegistry, config: (GatewayConfig & { readonly epoch: string }) | undefined) => void
  /** What this registry says of itself and of those below it. */
  readonly report: () => ChildReport | undefined
  /** Details or ancestors are others. */
  readonly onChange: () => void
  readonly pauses?: Partial<GatewayPauses>
  readonly clock?: Clock
}

/** Every wait of the link, in milliseconds. */
export interface GatewayPauses {
  /** After a refusal, and while no window is open. */
  readonly retryMs: number
  /** The first of the pauses after failures; each is twice the one before, up to `retryMs`. */
  readonly failedMs: number
  /** Until a plain parent is asked again whether it is a gateway. */
  readonly plainMs: number
  /** How long a gateway that seems to be none any more is doubted. */
  readonly doubtMs: number
  /** A long poll. */
  readonly waitMs: number
  /** Between reports that are the same, and the least between any two. */
  readonly reportMs: number
  readonly leastReportMs: number
  /** What clients push within it goes up at once. */
  readonly gatherMs: number
  /** So long an agreement with the gateway counts, until it is activated anew and seen whether it stands in a loop. */
  readonly renewMs: number
}

const defaultPauses: GatewayPauses = {
  retryMs: 60_000,
  failedMs: 1_000,
  plainMs: 10 * 60_000,
  doubtMs: 20_000,
  waitMs: messageLimits.longestWaitSeconds * 1000,
  reportMs: 60_000,
  leastReportMs: 5_000,
  gatherMs: 200,
  renewMs: 15 * 60_000
}

export function createGatewayLink(options: GatewayLinkOptions): GatewayLink {
  const { instance, records, changes, outbound, board, engine, log, onChange, report, clock = systemClock } = options
  const pauses = { ...defaultPauses, ...options.pauses }
  let wish: GatewayWish | undefined
  let current: Channel | undefined
  let ended: Promise<unknown> = Promise.resolve()
  const unsubscribe = changes.onChange(() => current?.pushed())

  function open(parent: ParentRegistry): Channel {
    const stopping = new AbortController()
    const { signal } = stopping
    const { host } = parent
    const session = createGatewaySession({
      parent,
      instance,
      kept: options.kept(parent),
      clock,
      log,
      doubtMs: pauses.doubtMs,
      signal,
      onConfig: (config) => options.onConfig(parent, config),
      onChange() {
        due.ring()
        onChange()
      }
    })
    const due = createBell()
    const news = createBell()
    const feed = createFeedReader({
      parent,
      instance,
      session,
      records,
      outbound,
      engine,
      lastIteration: () => board.read().last,
      onChange,
      waitSeconds: Math.ceil(pauses.waitMs / 1000)
    })
    let isFollowing = false
    let failures = 0
    const pushUp = createPushUp({ outbound, engine, log, gatherMs: pauses.gatherMs, signal })

    function follow(next: boolean): void {
      if (isFollowing === next) return
      isFollowing = next
      log.info({ parent: host, following: next }, 'feed of the parent')
      engine().reschedule()
    }

    async function live(): Promise<void> {
      while (!signal.aborted) {
        try {
          const state = isDue() ? await establish() : undefined
          if (state === 'active') await stayActive()
          else if (state !== undefined) failures = 0
          follow(false)
          await due.rungWithin(state === 'plain' ? pauses.plainMs : pauses.retryMs, clock, signal)
        } catch (error) {
          follow(false)
          if (signal.aborted) return
          tellLost(error)
          if (isRefusal(error)) session.refused(error)
          failures++
          const pause = isRefusal(error) ? pauses.retryMs : Math.min(pauses.retryMs, pauses.failedMs * 2 ** failures)
          await clock.sleep(pause, signal).catch(() => {})
        }
      }
    }

    /** Once for each loss: that it goes on the rounds tell. Most parents are no gateway, and then there is none to lose. */
    function tellLost(error: unknown): void {
      const isGateway = session.state === 'active' || session.state === 'refused'
      const what = isGateway ? 'gateway of the parent lost' : 'parent not asked whether it is a connected registry'
      log[failures === 0 ? 'warn' : 'debug']({ parent: host, code: codeOf(error), reason: describe(error) }, what)
    }

    /** What the answer changes rings, and is known: nobody need ask again for it. */
    async function establish(): Promise<SessionState> {
      const state = await session.establish()
      due.hush()
      return state
    }

    async function stayActive(): Promise<void> {
      news.ring()
      for (let since = clock.now(); isDue(); ) {
        await feed.turn(signal)
        follow(true)
        failures = 0
        if (clock.now() - since < pauses.renewMs) continue
        if ((await session.establish()) !== 'active') return
        since = clock.now()
      }
    }

    function isDue(): boolean {
      return wish !== undefined && (wish.isUnconfigured || openUntil(wish.schedule, new Date()) !== undefined)
    }

    /** Tells how this registry is: when something changed, and once a minute. */
    async function tell(): Promise<void> {
      let told: ChildReport | undefined
      let toldAt = Number.NEGATIVE_INFINITY
      while (!signal.aborted) {
        await news.rungWithin(pauses.reportMs, clock, signal)
        const now = session.state === 'active' && isDue() ? report() : undefined
        if (!now || (isDeepStrictEqual(now, told) && clock.now() - toldAt < pauses.reportMs)) continue
        await parent.gateway.report(instance, now, signal)
        told = now
        toldAt = clock.now()
        await clock.sleep(pauses.leastReportMs, signal)
      }
    }

    async function keepTelling(): Promise<void> {
      while (!signal.aborted) {
        await tell().catch(async (error: unknown) => {
          if (signal.aborted) return
          log.warn({ parent: host, code: codeOf(error), reason: describe(error) }, 'status not told to the parent')
          await clock.sleep(pauses.reportMs, signal).catch(() => {})
        })
      }
    }

    const living = Promise.all([live(), keepTelling()])
    return {
      parent,
      session,
      isFollowing: () => isFollowing,
      confirm: feed.confirm,
      ring: news.ring,
      wake: due.ring,
      pushed() {
        if (isFollowing) pushUp()
      },
      async stop() {
        stopping.abort()
        await living
      }
    }
  }

  return {
    apply(next) {
      wish = next
      if (current?.parent === next.parent) return current?.wake()
      const former = current?.stop()
      ended = Promise.all([ended, former])
      current = next.parent && open(next.parent)
      onChange()
    },
    refresh: async (signal) => current?.session.refresh(signal),
    confirm: async (signal) => current?.confirm(signal),
    isFollowing: () => current?.isFollowing() ?? false,
    isAwaited: () => current !== undefined && current.session.etag === undefined && current.session.state !== 'plain',
    details: () => (current ? [...current.session.details, ...modeDetails(current.parent, wish?.mode)] : []),
    ancestors: () => current?.session.ancestors ?? [],
    changed: () => current?.ring(),
    async stop() {
      unsubscribe()
      await Promise.all([ended, current?.stop()])
    }
  }
}

interface Channel {
  readonly parent: ParentRegistry
  readonly session: GatewaySession
  isFollowing(): boolean
  readonly confirm: FeedReader['confirm']
  /** There may be something to tell. */
  ring(): void
  /** The schedule may be another one. */
  wake(): void
  /** Something changed here. */
  pushed(): void
  stop(): Promise<void>
}

function isRefusal(error: unknown): boolean {
  return error instanceof ParentError && (error.parentCode === 'NOT_ACTIVATED' || error.parentCode === 'DEACTIVATED')
}
