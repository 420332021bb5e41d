import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { Clock } from '../parent/clock.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { GatewayConfig, Instance } from '../parent/parent-gateway.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import { codeOf, describe, detailOf } from './problems.ts'
import type { NewDetail } from './status.ts'
import { statusCodes } from './status-codes.ts'

/** What was known of a parent's gateway before a restart. */
export interface KeptGateway {
  readonly etag: string
  readonly epoch: string
}

export interface SessionOptions {
  readonly parent: ParentRegistry
  readonly instance: Instance
  readonly kept: KeptGateway | undefined
  readonly clock: Clock
  readonly log: Log
  /** Ends every question. */
  readonly signal: AbortSignal
  /** Undefined: the parent is no gateway, and its config counts no more. */
  readonly onConfig: (config: (GatewayConfig & { readonly epoch: string }) | undefined) => void
  readonly onChange: () => void
  /** A gateway that seems to be none any more must still say so after this time. */
  readonly doubtMs: number
}

/**
 * What this registry and one parent's gateway know of each other. `unknown`: the parent did not say yet what it is. `refused`: it is a
 * gateway and does not take us for the child; its content may be had as a plain parent's, unless an operator freed our name.
 */
export type SessionState = 'unknown' | 'plain' | 'active' | 'refused'

export interface GatewaySession {
  readonly state: SessionState
  /** The stores above, the nearest first. */
  readonly ancestors: readonly string[]
  readonly details: readonly NewDetail[]
  readonly etag: string | undefined
  /** Asks what the parent is, activates, and reads the config. Throws where the parent does not answer; then nothing changed. */
  establish(): Promise<SessionState>
  readConfig(): Promise<void>
  /** As `establish`, unless it was done lately and nothing failed since. Throws SyncBarredError; no answer is no failure. */
  refresh(signal: AbortSignal): Promise<void>
  /** The parent took back what `establish` agreed on. */
  refused(error: unknown): void
}

/** So long an answer counts, where nothing fails. */
const believedMs = 10 * 60_000

export function createGatewaySession(options: SessionOptions): GatewaySession {
  const { parent, instance, kept, clock, log, signal, onConfig, onChange, doubtMs } = options
  const { gateway } = parent
  let state: SessionState = 'unknown'
  let ancestors: readonly string[] = []
  let problem: NewDetail | undefined
  let etag = kept?.etag
  let underWay: Promise<SessionState> | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  let doubtedAt: number | undefined
  if (kept) gateway.recall(kept.epoch)

  function become(next: SessionState, detail?: NewDetail): SessionState {
    if (next !== state || detail?.description !== problem?.description) {
      log.info({ parent: parent.host, state: next, code: detail?.code }, 'gateway of the parent')
      state = next
      problem = detail
      onChange()
    }
    return state
  }

  async function ask(): Promise<SessionState> {
    const kind = await gateway.probe(signal)
    if (kind !== 'gateway') return notGateway(kind)
    doubtedAt = undefined
    try {
      const activated = await gateway.activate(instance, signal)
      const own = activated.ancestors.indexOf(instance.instanceId)
      // What is above ourselves is ourselves again.
      ancestors = own < 0 ? activated.ancestors : activated.ancestors.slice(0, own)
      if (own >= 0) return become('refused', loopDetail(parent.host))
      await readConfig()
      return become('active')
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ParentError) || error.retryable) throw error
      return refused(error)
    }
  }

  function notGateway(kind: 'plain' | 'other'): SessionState {
    if (gateway.standing && !isSureOf(kind)) return state
    gateway.forget()
    etag = undefined
    ancestors = []
    onConfig(undefined)
    return become('plain')
  }

  /** Somebody in between may answer in its place for a while. */
  function isSureOf(kind: 'plain' | 'other'): boolean {
    doubtedAt ??= clock.now()
    return kind === 'plain' && clock.now() - doubtedAt >= doubtMs
  }

  async function readConfig(): Promise<void> {
    const config = await gateway.config(instance, etag, signal)
    if (!config) return
    etag = config.etag
    onConfig({ ...config, epoch: parent.epoch })
  }

  function refused(error: unknown): SessionState {
    log.warn({ code: codeOf(error), reason: describe(error) }, 'gateway of the parent refused us')
    return become('refused', refusalDetail(error))
  }

  async function establish(): Promise<SessionState> {
    underWay ??= ask().finally(() => {
      underWay = undefined
    })
    const known = await underWay
    askedAt = clock.now()
    return known
  }

  return {
    get state() {
      return state
    },
    get ancestors() {
      return ancestors
    },
    get details() {
      return problem ? [problem] : []
    },
    get etag() {
      return etag
    },
    establish,
    readConfig,
    async refresh(waiting) {
      const isKnown = state !== 'unknown' && doubtedAt === undefined && clock.now() - askedAt < believedMs
      if (!isKnown || state === 'refused') {
        await unlessAborted(establish(), waiting).catch((error: unknown) => {
          waiting.throwIfAborted()
          // The round itself will tell how the parent is.
          log.debug({ code: codeOf(error), reason: describe(error) }, 'gateway of the parent not asked')
        })
      }
      if (problem?.code === 'PARENT_LOOP' || problem?.code === 'DEACTIVATED') throw new SyncBarredError(problem)
    },
    refused: (error) => void refused(error)
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
}

/** Nothing may be synced: the parent is itself below this registry, or an operator gave our name to another instance. */
export class SyncBarredError extends Error {
  override readonly name = 'SyncBarredError'
  readonly code: string

  constructor({ code, description }: NewDetail) {
    super(description)
    this.code = code
  }
}

function loopDetail(host: string): NewDetail {
  const description = `${host} has this registry above itself: nothing is synced`
  return { type: statusCodes.PARENT_LOOP.type, code: 'PARENT_LOOP', description }
}

/** What clients push is refused there, and asked about again once that is over. */
export function modeDetails({ gateway, host }: ParentRegistry, mode: Mode | undefined): readonly NewDetail[] {
  if (mode !== 'ReadWrite' || !gateway.standing?.isReadOnly) return []
  const description = `${host} is ReadOnly: what is pushed here stays here until it is ReadWrite`
  return [{ type: 'Parent', code: 'PARENT_READ_ONLY', description }]
}

function refusalDetail(error: unknown): NewDetail {
  const code = error instanceof ParentError ? error.parentCode : undefined
  const detail = detailOf(error, 'gateway')
  const isOurs = code === 'ALREADY_ACTIVATED' || code === 'NOT_ACTIVATED' || code === 'DEACTIVATED'
  return isOurs ? { ...detail, type: 'Parent', code } : detail
}
