import type { DelegationStatus } from './access/delegation.ts'
import { formatTokenNamePattern, type TokenNamePattern } from './access/token-names.ts'
import { describeBandwidth } from './bandwidth-settings.ts'
import type { ChildOverview, ChildReport } from './children/child-reports.ts'
import { descendantsSummary } from './children-report.ts'
import { durationText } from './durations.ts'
import type { GarbageStatus } from './garbage-schedule.ts'
import { describeGarbageSettings } from './garbage-settings.ts'
import type { NotificationStatus } from './notifications.ts'
import type { Traffic } from './parent/connections.ts'
import type { ParentConnection } from './protocol/connection-string.ts'
import type { SettingsSources } from './settings-sources.ts'
import type { Json } from './storage/record-store.ts'
import type { StorageFigures } from './storage-figures.ts'
import type { RepositoryStatus, StatusDetail, SyncStatus } from './sync/status.ts'

export interface ReportParts {
  readonly version: string
  readonly instanceId?: string
  readonly startedAt: string
  readonly sources: Pick<SettingsSources, 'current' | 'problems' | 'twinVersion' | 'refusedTwinVersion'>
  readonly sync: SyncStatus
  readonly traffic: Traffic
  readonly storage?: StorageFigures
  readonly uploads?: UploadFigures
  readonly garbage?: GarbageStatus
  readonly delegation?: DelegationStatus
  /** Left out: edgeHub is told nothing. */
  readonly notifications?: NotificationStatus | undefined
  /** What this registry shows to its clients; left out: it speaks plain HTTP. */
  readonly certificate?: { readonly source: string; readonly expiresAt?: Date | undefined } | undefined
  readonly children?: readonly ChildOverview[]
  /** The parent is a connected registry, and tells by itself what changes there. */
  readonly isFollowing?: boolean
  /** Details that belong to no iteration: refused settings, a data volume that cannot be used. */
  readonly details: readonly StatusDetail[]
}

/** What clients have begun to push and not finished. */
export interface UploadFigures {
  readonly count: number
  readonly bytes: number
}

/** The whole state, as `GET /status` and the direct method `status` show it. Holds no secret. */
export function fullStatus(parts: ReportParts) {
  const { sync, sources } = parts
  return {
    version: parts.version,
    instanceId: parts.instanceId,
    startedAt: parts.startedAt,
    connectionState: stateOf(parts),
    mode: sources.current.mode,
    parent: describeParent(sources.current.connection, parts.isFollowing),
    settings: describeSettings(sources),
    sync: {
      last: sync.last,
      lastSuccess: sync.lastSuccess,
      current: sync.current,
      next: sync.next,
      pending: describePending(sync),
      traffic: parts.traffic
    },
    certificate: parts.certificate && {
      source: parts.certificate.source,
      expiresAt: parts.certificate.expiresAt?.toISOString()
    },
    storage: parts.storage,
    uploads: parts.uploads,
    garbageCollection: parts.garbage,
    notifications: parts.notifications,
    delegatedTokens: parts.delegation?.tokens,
    children: parts.children?.length ? parts.children : undefined,
    repositories: sync.repositories,
    statusDetails: [...parts.details, ...sync.details]
  }
}

// What a twin has room for: half of its 24 KiB for the details, the rest for all else.
const worstLimit = 20
const textLimit = 250

/** What the reported twin holds: the same, of the repositories only their count and those in trouble. */
export function reportedTwin(parts: ReportParts): Record<string, Json> {
  const { repositories, statusDetails, children, delegatedTokens, startedAt: _, ...rest } = fullStatus(parts)
  const { clientTokens, notifications, problems, ...settings } = rest.settings
  const inTrouble = repositories.filter(({ problem }: RepositoryStatus) => problem !== undefined)
  return plainJson({
    ...rest,
    settings: {
      ...settings,
      clientTokens: clientTokens.length,
      notifications: notifications?.length,
      problems: problems.slice(0, worstLimit).map(short)
    },
    delegatedTokens: delegatedTokens?.length,
    repositories: {
      count: repositories.length,
      complete: repositories.length - inTrouble.length,
      // Why is among the details.
      worst: inTrouble.slice(0, worstLimit).map(({ problem: _, ...repository }) => repository)
    },
    descendants: descendantsSummary(children ?? []),
    statusDetails: statusDetails
      .slice(0, worstLimit)
      .map((detail) => ({ ...detail, description: short(detail.description) }))
  })
}

/** What the parent's gateway is told (`children/child-reports.ts`), within its bounds. */
export function childReport(parts: ReportParts): ChildReport {
  const { version, sources, sync, children, details } = parts
  const { down } = describePending(sync)
  return {
    version,
    connectionState: stateOf(parts),
    mode: sources.current.mode,
    ...(sync.lastSuccess !== undefined && { lastSync: sync.lastSuccess }),
    pending: { artifacts: Math.max(0, down.references), bytes: down.bytes ?? 0 },
    statusDetails: [...details, ...sync.details].slice(0, toldLimits.details).map((detail) => ({
      ...detail,
      description: detail.description.slice(0, toldLimits.characters)
    })),
    ...(children && children.length > 0 && { children })
  }
}

const toldLimits = { details: 50, characters: 500 } as const

function short(text: string): string {
  return text.length > textLimit ? `${text.slice(0, textLimit)}...` : text
}

/** Without the keys that have no value. */
export function plainJson(value: object): Record<string, Json> {
  return JSON.parse(JSON.stringify(value)) as Record<string, Json>
}

/** ACR: in contact, but with details to show. */
export function stateOf({ sync, details }: ReportParts): SyncStatus['connectionState'] {
  return sync.connectionState === 'Online' && details.length > 0 ? 'Unhealthy' : sync.connectionState
}

/** What each side lacks of the other's: references, and bytes as far as they are known. */
export function describePending({ pendingUp, repositories, current }: SyncStatus) {
  const references = repositories.reduce((sum, { wanted, have }) => sum + wanted - have, 0)
  return { up: pendingUp, down: { references, bytes: current?.missingBytes } }
}

function describeParent(connection: ParentConnection | undefined, isFollowing = false) {
  if (!connection) return undefined
  const { registryName, loginServer, gatewayEndpoint, protocol, syncToken } = connection
  return {
    registryName,
    loginServer,
    gatewayEndpoint,
    protocol,
    syncToken: syncToken.name,
    ...(isFollowing && { following: true })
  }
}

function describeSettings({ twinVersion, refusedTwinVersion, problems, current }: ReportParts['sources']) {
  const { schedule, bandwidth, clientTokens, delegatedNames, delegatedForMs, notifications, logLevel } = current
  const { cron, windowMs } = schedule
  return {
    version: twinVersion,
    refusedVersion: refusedTwinVersion,
    schedule: cron,
    window:
      windowMs === undefined
        ? undefined
        : Temporal.Duration.from({ milliseconds: windowMs }).round({ largestUnit: 'days' }).toString(),
    ...(bandwidth && { bandwidth: describeBandwidth(bandwidth) }),
    garbageCollection: describeGarbageSettings(current.mode, current.garbageCollection),
    clientTokens: clientTokens.map(({ name, status }) => ({ name, status })),
    ...(delegatedNames.length > 0 && { delegation: describeDelegation(delegatedNames, delegatedForMs) }),
    ...(notifications.length > 0 && { notifications: notifications.map(({ text }) => text) }),
    logLevel,
    problems: problems.map(({ source, problem }) => `${source}: ${problem}`)
  }
}

function describeDelegation(names: readonly TokenNamePattern[], keptForMs: number) {
  return { names: names.map(formatTokenNamePattern), keptFor: durationText(keptForMs) }
}
