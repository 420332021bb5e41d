import { randomUUID } from 'node:crypto'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { DelegationStatus } from './access/delegation.ts'
import { childrenInForce } from './children-in-force.ts'
import type { ReportSubject } from './reporting.ts'
import type { Settings } from './settings.ts'
import type { SettingsSources } from './settings-sources.ts'
import { detailOf } from './sync/problems.ts'
import type { NewDetail, StatusDetail } from './sync/status.ts'

/** Every refused setting, and what is missing before anything can be synced. */
export function settingsDetails({
  problems,
  current,
  isIncomplete
}: Pick<SettingsSources, 'problems' | 'current' | 'isIncomplete'>) {
  const details: NewDetail[] = problems.map(({ source, problem }) => ({
    type: 'Settings',
    code: 'SETTINGS_REFUSED',
    description: `${source}: ${problem}`
  }))
  const { refused, heldBack } = childrenInForce(current)
  for (const { name, problem } of refused)
    details.push({ type: 'Settings', code: 'CHILD_REFUSED', description: `children: ${name}: ${problem}` })
  for (const { name, problem } of heldBack)
    details.push({ type: 'Settings', code: 'CHILD_READ_WRITE', description: `children: ${name}: ${problem}` })
  if (isIncomplete)
    details.push({
      type: 'Settings',
      code: 'SETTINGS_AWAITED',
      description: 'nothing is synced or removed before the settings that are refused are right'
    })
  if (!current.connection) {
    const isRefused = problems.length > 0
    const description = isRefused
      ? 'no connection string is in force: settings were refused'
      : 'no connection string is set'
    details.push({ type: 'Settings', code: 'NO_PARENT', description })
  }
  if (current.repositories.length === 0) {
    details.push({
      type: 'Scope',
      code: 'NO_REPOSITORIES',
      description: 'no repositories are named: nothing is synced'
    })
  }
  return details
}

/** Why there is no store, or what was found wrong when it was opened. */
export function storeDetails({ store, problem, isTwinAwaited }: ReportSubject): readonly NewDetail[] {
  const details: NewDetail[] = []
  if (problem !== undefined) details.push(volumeDetail(problem))
  if (store?.stateProblem !== undefined)
    details.push({ type: 'State', code: 'STATE_FILE_REPLACED', description: store.stateProblem })
  const damaged = [...(store?.blobs.quarantined ?? [])]
  if (damaged.length > 0) {
    const description = `${damaged.length} damaged, waiting to be brought anew: ${damaged.slice(0, 3).join(', ')}`
    details.push({ type: 'Content', code: 'CONTENT_DAMAGED', description })
  }
  if (store?.disk.problem) details.push({ type: 'Disk', code: 'DiskError', description: store.disk.problem })
  if (isTwinAwaited())
    details.push({
      type: 'State',
      code: 'TWIN_AWAITED',
      description: 'nothing is synced before edgeHub tells the twin'
    })
  return details
}

export function volumeDetail(problem: unknown): NewDetail {
  const { code, description } = detailOf(problem, 'data volume')
  return { type: 'Disk', code: code === 'INTERNAL' ? 'DiskError' : code, description }
}

/** Who is to be told, and is not there. */
export function hubDetails(
  edge: EdgeEnvironment | undefined,
  { notifications }: Pick<Settings, 'notifications'>
): readonly NewDetail[] {
  if (edge || notifications.length === 0) return []
  const description = 'notifications are set, and there is no edgeHub to tell: this is no module of IoT Edge'
  return [{ type: 'Settings', code: 'NOTIFICATIONS_UNSENT', description }]
}

/** Why no client token can be proved by the parent, where asking again does not help. */
export function delegationDetails(status: DelegationStatus | undefined): readonly NewDetail[] {
  if (status?.problem === undefined) return []
  return [{ type: 'Parent', code: 'TOKENS_NOT_PROVED', description: status.problem }]
}

/** A detail keeps the time at which it was first seen, however often it is asked for. */
export function createStamp(): (details: readonly NewDetail[]) => readonly StatusDetail[] {
  let known = new Map<string, StatusDetail>()
  return (details) => {
    const next = new Map<string, StatusDetail>()
    for (const detail of details) {
      const key = keyOf(detail)
      next.set(key, known.get(key) ?? { ...detail, timestamp: new Date().toISOString(), correlationId: randomUUID() })
    }
    known = next
    return [...known.values()]
  }
}

/** One line for each detail that appears and one for each that is gone: the log names what the status names. */
export function createDetailLog(log: Log): (details: readonly StatusDetail[]) => void {
  let known = new Map<string, StatusDetail>()
  return (details) => {
    const next = new Map(details.map((detail) => [keyOf(detail), detail]))
    for (const [key, { type, code, description, correlationId }] of next) {
      if (!known.has(key))
        log[isForPeople(type, code) ? 'error' : 'warn'](
          { type, code, description, correlationId },
          'status detail appeared'
        )
    }
    for (const [key, { type, code, description }] of known)
      if (!next.has(key)) log.info({ type, code, description }, 'status detail went away')
    known = next
  }
}

/** What does not mend itself. */
function isForPeople(type: StatusDetail['type'], code: string): boolean {
  return type === 'Disk' || type === 'State' || code === 'SETTINGS_REFUSED'
}

function keyOf({ code, description }: NewDetail): string {
  return `${code} ${description}`
}
