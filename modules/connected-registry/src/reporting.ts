import type { Log } from '@connected-registry/edge-module/log.ts'
import packageFile from '../package.json' with { type: 'json' }
import type { ChildReport } from './children/child-reports.ts'
import type { OpenedSite } from './kept-site.ts'
import { noTraffic } from './kept-traffic.ts'
import { childReport, fullStatus, plainJson, type ReportParts, reportedTwin, type UploadFigures } from './report.ts'
import type { ServerCertificate } from './server-certificate.ts'
import type { SettingsSources } from './settings-sources.ts'
import { createDetailLog, createStamp, delegationDetails, settingsDetails, storeDetails } from './status-details.ts'
import type { Json } from './storage/record-store.ts'
import { readStorage, type StorageFigures } from './storage-figures.ts'
import { describe } from './sync/problems.ts'
import type { NewDetail, StatusBoard } from './sync/status.ts'

export type Report = Readonly<Record<string, Json>>
/** `urgent`: the settings in force, or what is wrong with them, changed. */
export type ReportListener = (reported: Report, options: { readonly urgent: boolean }) => void

/** Gathers what there is to say, for whoever asks (`status`) and whoever is told (`onReport`, the log). */
export interface Reporting {
  status(): Promise<Report>
  /** What the status is made of. */
  read(): Promise<ReportParts>
  /** The same within the bounds of a twin. */
  summary(): Report
  /** The same as a parent is told it. */
  childReport(): ChildReport
  /** Something may have changed; tells at most once a turn of the event loop. */
  changed(): void
  onReport(listener: ReportListener): void
  use(subject: ReportSubject): void
  /** Counts the store again, by and by. */
  recount(): void
  /** Resolves when the store is left alone. */
  stop(): Promise<void>
}

export interface ReportSubject extends OpenedSite {
  /** The last twin is lost, and edgeHub was not heard since. */
  readonly isTwinAwaited: () => boolean
}

export interface ReportingOptions {
  readonly sources: SettingsSources
  readonly board: StatusBoard
  readonly dataVolume: string
  readonly log: Log
  /** What was found at the start, and of this registry's own certificate. */
  readonly details?: (() => readonly NewDetail[]) | undefined
  readonly certificate?: Pick<ServerCertificate, 'source' | 'current'> | undefined
}

export function createReporting(options: ReportingOptions): Reporting {
  const { sources, board, dataVolume, log, details = () => [], certificate } = options
  const startedAt = new Date().toISOString()
  const stamp = createStamp()
  const logDetails = createDetailLog(log)
  const stopping = new AbortController()
  let subject: ReportSubject | undefined
  let storage: StorageFigures | undefined
  let uploads: UploadFigures | undefined
  let listener: ReportListener | undefined
  let isDue = false
  let settingsTold = ''
  let counting: Promise<void> = Promise.resolve()
  let isCountDue = false

  function parts(): ReportParts {
    const { site, store } = subject ?? {}
    const delegation = site?.delegation?.status()
    return {
      version: packageFile.version,
      instanceId: store?.instanceId,
      startedAt,
      sources,
      sync: board.read(),
      traffic: site?.traffic() ?? noTraffic,
      storage,
      uploads,
      garbage: site?.garbage?.status(),
      notifications: site?.notifications?.status(),
      children: site?.children.overview(),
      delegation,
      certificate: certificate && { source: certificate.source, expiresAt: certificate.current?.expiresAt },
      isFollowing: site?.gateway?.isFollowing(),
      details: stamp([
        ...details(),
        ...settingsDetails(sources),
        ...(subject ? storeDetails(subject) : []),
        ...delegationDetails(delegation),
        ...(site?.gateway?.details() ?? []),
        ...(site?.notifications?.details() ?? [])
      ])
    }
  }

  function tell(): void {
    isDue = false
    const now = parts()
    logDetails([...now.details, ...now.sync.details])
    const settings = JSON.stringify([sources.twinVersion, sources.refusedTwinVersion, sources.problems])
    listener?.(reportedTwin(now), { urgent: settings !== settingsTold })
    settingsTold = settings
    subject?.site.gateway?.changed()
  }

  function changed(): void {
    if (isDue) return
    isDue = true
    setImmediate(tell)
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

  async function countStore(): Promise<void> {
    const { store } = subject ?? {}
    if (!store || stopping.signal.aborted) return
    try {
      storage = await readStorage(store, dataVolume, stopping.signal)
    } catch (error) {
      if (!stopping.signal.aborted) log.warn({ reason: describe(error) }, 'store not counted')
    }
  }

  async function count(): Promise<void> {
    isCountDue = false
    await countStore()
    await countUploads()
    changed()
  }

  async function read(): Promise<ReportParts> {
    // The first count may take its time; from then on it costs nothing to be exact.
    if (storage) await countStore()
    await countUploads()
    return parts()
  }

  return {
    read,
    status: async () => plainJson(fullStatus(await read())),
    summary: () => reportedTwin(parts()),
    childReport: () => childReport(parts()),
    changed,
    onReport(tellListener) {
      listener = tellListener
      changed()
    },
    use(next) {
      subject = next
      next.store?.disk.onChange(changed)
      changed()
    },
    recount() {
      if (isCountDue) return
      isCountDue = true
      counting = counting.then(count)
    },
    async stop() {
      stopping.abort()
      await counting
    }
  }
}
