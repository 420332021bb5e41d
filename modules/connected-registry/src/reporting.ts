import type { Log } from '@connected-registry/edge-module/log.ts'
import packageFile from '../package.json' with { type: 'json' }
import { fullStatus, plainJson, type ReportParts, reportedTwin, type UploadFigures } from './report.ts'
import type { SettingsSources } from './settings-sources.ts'
import { noTraffic, type Site } from './site.ts'
import type { Json } from './storage/record-store.ts'
import { countStorage, type StorageFigures } from './storage-figures.ts'
import type { Store } from './store.ts'
import { describe, detailOf } from './sync/problems.ts'
import type { NewDetail, StatusBoard, StatusDetail } from './sync/status.ts'

/** Gathers what there is to say, for whoever asks (`status`) and whoever is told (`onReport`). */
export interface Reporting {
  status(): Promise<Record<string, Json>>
  /** Something may have changed; tells at most once a turn of the event loop. */
  changed(): void
  onReport(listener: (reported: Record<string, Json>) => void): void
  use(subject: ReportSubject): void
  /** Counts the store again. */
  recount(): Promise<void>
}

export interface ReportSubject {
  readonly site: Site
  readonly store?: Store
  /** Why there is no store. */
  readonly problem?: unknown
}

export interface ReportingOptions {
  readonly sources: SettingsSources
  readonly board: StatusBoard
  readonly dataVolume: string
  readonly log: Log
}

export function createReporting({ sources, board, dataVolume, log }: ReportingOptions): Reporting {
  const startedAt = new Date().toISOString()
  const stamp = createStamp()
  let subject: ReportSubject | undefined
  let storage: StorageFigures | undefined
  let uploads: UploadFigures | undefined
  let listener: ((reported: Record<string, Json>) => void) | undefined
  let isDue = false

  function parts(): ReportParts {
    const details = stamp([...settingsDetails(sources), ...storeDetails(subject)])
    const traffic = subject?.site.traffic() ?? noTraffic
    const { instanceId } = subject?.store ?? {}
    return {
      version: packageFile.version,
      instanceId,
      startedAt,
      sources,
      sync: board.read(),
      traffic,
      storage,
      uploads,
      garbage: subject?.site.garbage?.status(),
      details
    }
  }

  function changed(): void {
    if (isDue || !listener) return
    isDue = true
    setImmediate(() => {
      isDue = false
      listener?.(reportedTwin(parts()))
    })
  }

  /** A few per client: looked at whenever somebody asks. */
  async function countUploads(): Promise<void> {
    const { site, store } = subject ?? {}
    try {
      const open = site && store ? await site.registry.uploads.list() : undefined
      uploads = open && { count: open.length, bytes: open.reduce((bytes, { size }) => bytes + size, 0) }
    } catch (error) {
      // Whoever asks how it is must hear of everything else.
      log.warn({ reason: describe(error) }, 'uploads not counted')
    }
  }

  async function recount(): Promise<void> {
    const { site, store } = subject ?? {}
    if (!site || !store) return
    try {
      storage = await countStorage(site.registry, store, dataVolume)
      await countUploads()
      changed()
    } catch (error) {
      log.warn({ reason: describe(error) }, 'store not counted')
    }
  }

  return {
    async status() {
      await countUploads()
      return plainJson(fullStatus(parts()))
    },
    changed,
    onReport(tell) {
      listener = tell
      changed()
    },
    use(next) {
      subject = next
      next.store?.disk.onChange(changed)
      changed()
    },
    recount
  }
}

/** Every refused setting, and what is missing before anything can be synced. */
function settingsDetails({ problems, current }: SettingsSources): readonly NewDetail[] {
  const details: NewDetail[] = problems.map(({ source, problem }) => ({
    type: 'Settings',
    code: 'SETTINGS_REFUSED',
    description: `${source}: ${problem}`
  }))
  if (!current.connection)
    details.push({ type: 'Settings', code: 'NO_PARENT', description: 'no connection string is set' })
  if (current.repositories.length === 0) {
    details.push({
      type: 'Scope',
      code: 'NO_REPOSITORIES',
      description: 'no repositories are named: nothing is synced'
    })
  }
  return details
}

function storeDetails(subject: ReportSubject | undefined): readonly NewDetail[] {
  const details: NewDetail[] = []
  if (subject?.problem !== undefined) details.push(detailOf(subject.problem, 'data volume'))
  const { state, disk } = subject?.store ?? {}
  if (state?.problem) details.push({ type: 'State', code: 'STATE_FILE_REPLACED', description: state.problem })
  const damaged = [...(subject?.store?.blobs.quarantined ?? [])]
  if (damaged.length > 0) {
    const description = `${damaged.length} damaged, waiting to be brought anew: ${damaged.slice(0, 3).join(', ')}`
    details.push({ type: 'Content', code: 'CONTENT_DAMAGED', description })
  }
  if (disk?.problem) details.push({ type: 'Disk', code: 'DiskError', description: disk.problem })
  return details
}

/** A detail keeps the time at which it was first seen, however often it is asked for. */
function createStamp(): (details: readonly NewDetail[]) => readonly StatusDetail[] {
  let known = new Map<string, StatusDetail>()
  return (details) => {
    const next = new Map<string, StatusDetail>()
    for (const detail of details) {
      const key = `${detail.code} ${detail.description}`
      next.set(key, known.get(key) ?? { ...detail, timestamp: new Date().toISOString(), correlationId: '' })
    }
    known = next
    return [...known.values()]
  }
}
