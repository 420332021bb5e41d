import type { ConnectionState } from '../protocol/gateway.ts'
import type { StatusCode, StatusType } from './status-codes.ts'
import { createTransferRate } from './transfer-rate.ts'

/** One cause of trouble, in the shape ACR shows it (`statusDetails`). */
export interface StatusDetail {
  readonly type: StatusType
  readonly code: StatusCode
  readonly description: string
  /** RFC 3339, UTC. */
  readonly timestamp: string
  readonly correlationId: string
}

export type NewDetail = Pick<StatusDetail, 'type' | 'code' | 'description'>

export interface IterationSummary {
  readonly correlationId: string
  readonly startedAt: string
  readonly endedAt: string
  readonly result: 'Succeeded' | 'Failed' | 'Aborted'
  /** Manifests and bytes that arrived. */
  readonly artifacts: number
  readonly bytes: number
  readonly removed: number
  /** Manifests and bytes that went up. */
  readonly sent: Amount
}

export interface Amount {
  readonly artifacts: number
  readonly bytes: number
}

/** What the parent has not been told yet; bytes as if it held nothing of it. */
export interface PendingUp extends Amount {
  /** Tags and digests, removed ones included. */
  readonly references: number
}

/** Of all iterations since the start. */
export interface SyncTotals {
  readonly iterations: Readonly<Record<IterationSummary['result'], number>>
  /** Manifests and bytes that arrived, and that went up; references that were removed here. */
  readonly arrived: Amount
  readonly sent: Amount
  readonly removed: number
}

export interface RepositoryStatus {
  readonly name: string
  /** References (tags and digests) the parent shows, and how many of them are wholly here. */
  readonly wanted: number
  readonly have: number
  readonly lastSync?: string
  readonly problem?: string
}

export interface Progress {
  /** Manifests and bytes that arrived, references that were removed. */
  readonly artifacts: number
  readonly bytes: number
  readonly removed: number
  /** References and bytes known to be missing yet. */
  readonly missingReferences: number
  readonly missingBytes: number
  readonly sent: Amount
}

/** An iteration under way, as of the moment it is asked about. */
export interface Current extends Progress {
  readonly startedAt: string
  readonly correlationId: string
  /** What came lately. */
  readonly bytesPerSecond: number
  /** When what is known to be missing will be here at this rate, RFC 3339. Undefined: nothing is missing, or nothing comes. */
  readonly expectedEnd?: string
}

/** What the sync knows of itself, for `GET /status`, the reported twin and the log. */
export interface SyncStatus {
  readonly connectionState: ConnectionState
  readonly parent?: string
  readonly last?: IterationSummary
  readonly lastSuccess?: string
  readonly current?: Current
  readonly next?: string
  readonly pendingUp?: PendingUp
  readonly repositories: readonly RepositoryStatus[]
  readonly details: readonly StatusDetail[]
}

/** A mutable holder of the above; each part has one writer, the iteration or the engine. */
export interface StatusBoard {
  read(): SyncStatus
  /** With what an iteration under way has done so far. */
  totals(): SyncTotals
  scheduled(next: Date | undefined): void
  connectedTo(parent: string | undefined): void
  started(correlationId: string): void
  arrived(what: { artifacts?: number; bytes?: number; missingBytes?: number; missingReferences?: number }): void
  /** What went up. */
  sent(what: Partial<Amount>): void
  pendingUp(pending: PendingUp): void
  /** One reference, as the parent did. */
  removed(): void
  synced(repository: RepositoryStatus): void
  ended(result: IterationSummary['result'], outcome: IterationOutcome): void
  /** Of these nothing is wanted any more. */
  forgot(isGone: (repository: string) => boolean): void
  /** What is known of one repository; nothing wanted where it is new. */
  repository(name: string): RepositoryStatus
}

export interface IterationOutcome {
  readonly correlationId: string
  /** The parent answered, whatever it said. */
  readonly reached: boolean
  /** Those that are carried over from an earlier iteration keep their time. */
  readonly details: readonly (NewDetail | StatusDetail)[]
  /** The repositories that all of them are about. Undefined: something else is amiss. */
  readonly troubled?: readonly string[] | undefined
  /** What should be looked at, though sync is done with it: an iteration succeeds with these. */
  readonly notices?: readonly NewDetail[]
}

/** No end further away is worth a date: a year. */
const longestWaitMs = 365 * 24 * 3_600_000
const nothingSent: Amount = { artifacts: 0, bytes: 0 }

export function createStatusBoard(now: () => Date, onChange: () => void = () => {}): StatusBoard {
  let rate = createTransferRate(now)
  let status: SyncStatus = { connectionState: 'Offline', repositories: [], details: [] }
  let ended: SyncTotals = {
    iterations: { Succeeded: 0, Failed: 0, Aborted: 0 },
    arrived: nothingSent,
    sent: nothingSent,
    removed: 0
  }
  const change = (part: Partial<SyncStatus>) => {
    status = { ...status, ...part }
    onChange()
  }
  return {
    read: () =>
      status.current ? { ...status, current: asOfNow(status.current, rate.bytesPerSecond(), now()) } : status,
    totals: () => withCurrent(ended, status.current),
    scheduled: (next) => change({ next: next?.toISOString() }),
    connectedTo: (parent) => {
      if (parent !== status.parent) change({ parent, connectionState: 'Offline', details: [] })
    },
    started: (correlationId) => {
      const startedAt = now().toISOString()
      rate = createTransferRate(now)
      const current = {
        startedAt,
        correlationId,
        artifacts: 0,
        bytes: 0,
        removed: 0,
        missingReferences: 0,
        missingBytes: 0,
        bytesPerSecond: 0,
        sent: nothingSent
      }
      change({ current, connectionState: status.connectionState === 'Offline' ? 'Offline' : 'Syncing' })
    },
    arrived: ({ artifacts = 0, bytes = 0, missingBytes = 0, missingReferences = 0 }) => {
      const current = status.current
      if (!current) return
      if (bytes > 0) rate.note(bytes)
      status = {
        ...status,
        connectionState: 'Syncing',
        current: {
          ...current,
          artifacts: current.artifacts + artifacts,
          bytes: current.bytes + bytes,
          missingReferences: Math.max(0, current.missingReferences + missingReferences),
          missingBytes: Math.max(0, current.missingBytes + missingBytes - bytes)
        }
      }
    },
    sent: ({ artifacts = 0, bytes = 0 }) => {
      const { current } = status
      if (!current) return
      const sent = { artifacts: current.sent.artifacts + artifacts, bytes: current.sent.bytes + bytes }
      status = { ...status, connectionState: 'Syncing', current: { ...current, sent } }
    },
    pendingUp: (pendingUp) => change({ pendingUp }),
    removed: () => {
      const { current } = status
      if (current) status = { ...status, current: { ...current, removed: current.removed + 1 } }
    },
    synced: (repository) => change({ repositories: merge(status.repositories, repository) }),
    ended: (result, outcome) => {
      const at = now().toISOString()
      const { artifacts = 0, bytes = 0, removed = 0, sent = nothingSent, startedAt = at } = status.current ?? {}
      const { correlationId, reached } = outcome
      const { iterations, ...totals } = withCurrent(ended, status.current)
      ended = { ...totals, iterations: { ...iterations, [result]: iterations[result] + 1 } }
      const { details: former } = status
      const details = [
        ...outcome.details.map((detail) => ({ timestamp: at, correlationId, ...detail })),
        ...(outcome.notices ?? []).map((notice) => seen(former, notice) ?? { timestamp: at, correlationId, ...notice })
      ]
      change({
        current: undefined,
        connectionState: !reached ? 'Offline' : details.length > 0 ? 'Unhealthy' : 'Online',
        last: { correlationId, startedAt, endedAt: at, result, artifacts, bytes, removed, sent },
        lastSuccess: result === 'Succeeded' ? at : status.lastSuccess,
        details
      })
    },
    repository: (name) => status.repositories.find((one) => one.name === name) ?? { name, wanted: 0, have: 0 },
    forgot: (isGone) => change({ repositories: status.repositories.filter(({ name }) => !isGone(name)) })
  }
}

function withCurrent(totals: SyncTotals, current: Current | undefined): SyncTotals {
  if (!current) return totals
  const { arrived, sent, removed } = totals
  return {
    ...totals,
    arrived: addAmount(arrived, current),
    sent: addAmount(sent, current.sent),
    removed: removed + current.removed
  }
}

function addAmount(one: Amount, other: Amount): Amount {
  return { artifacts: one.artifacts + other.artifacts, bytes: one.bytes + other.bytes }
}

function asOfNow(current: Current, bytesPerSecond: number, at: Date): Current {
  const { missingBytes } = current
  if (missingBytes === 0 || bytesPerSecond === 0) return { ...current, bytesPerSecond }
  const expectedEnd = new Date(at.getTime() + Math.min(longestWaitMs, (missingBytes / bytesPerSecond) * 1000))
  return { ...current, bytesPerSecond, expectedEnd: expectedEnd.toISOString() }
}

/** A notice keeps the time at which it was first given. */
function seen(details: readonly StatusDetail[], { code, description }: NewDetail): StatusDetail | undefined {
  return details.find((detail) => detail.code === code && detail.description === description)
}

function merge(known: readonly RepositoryStatus[], fresh: RepositoryStatus): readonly RepositoryStatus[] {
  const former = known.find(({ name }) => name === fresh.name)
  const merged = { ...fresh, lastSync: fresh.lastSync ?? former?.lastSync }
  return [...known.filter(({ name }) => name !== fresh.name), merged].sort((a, b) => (a.name < b.name ? -1 : 1))
}
