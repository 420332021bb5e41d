import type { Log } from '@connected-registry/edge-module/log.ts'
import { createClosedSite, createSite, type Site, type SiteOptions } from './site.ts'
import { openStore, type Store } from './store.ts'
import { codeOf, describe } from './sync/problems.ts'

/** The site on the data volume, or the closed one that stands in for it, and why. */
export interface OpenedSite {
  readonly site: Site
  readonly store?: Store
  readonly problem?: unknown
}

export interface KeptSite {
  /** Resolves when nothing of it is open any more. */
  stop(): Promise<void>
}

export interface KeepSiteOptions {
  readonly dataVolume: string
  readonly site: SiteOptions
  readonly reopenMs: number
  readonly log: Log
  /** Told of the first site before `keepSite` resolves, and of each that takes its place. */
  readonly onSite: (opened: OpenedSite) => void
}

/**
 * A data volume that cannot be used is tried again and again, until it can: mounts come late, and people mend them. One that another
 * process has open when this one starts is that one's: rejects with StoreError `STORE_IN_USE`.
 */
export async function keepSite({
  dataVolume,
  site: options,
  reopenMs,
  log,
  onSite
}: KeepSiteOptions): Promise<KeptSite> {
  const closed = await createClosedSite(options)
  let current: OpenedSite = { site: closed }
  let opening: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function open(isFirst = false): Promise<void> {
    const opened = await openSite(dataVolume, options).catch((problem: unknown) => ({ site: closed, problem }))
    if (isFirst && 'problem' in opened && codeOf(opened.problem) === 'STORE_IN_USE') throw opened.problem
    if (stopped) return opened.site.stop()
    if ('problem' in opened) timer = setTimeout(() => (opening = open()), reopenMs)
    if ('problem' in opened && describe(opened.problem) === describe(current.problem)) return
    current = opened
    tell(opened)
    onSite(opened)
  }

  function tell({ problem }: OpenedSite): void {
    if (problem === undefined) log.info({ dataVolume }, 'data volume opened')
    else log.error({ code: codeOf(problem), dataVolume, reason: describe(problem) }, 'data volume cannot be used')
  }

  await open(true)
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await opening
      await current.site.stop()
    }
  }
}

async function openSite(dataVolume: string, options: SiteOptions): Promise<OpenedSite> {
  const store = await openStore(dataVolume, options.log)
  try {
    return { site: await createSite(store, options), store }
  } catch (error) {
    await store.close()
    throw error
  }
}
