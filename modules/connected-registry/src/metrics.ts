import type { Log } from '@connected-registry/edge-module/log.ts'
import type { ScrubStatus } from './background-scrub.ts'
import type { MetricFamily } from './http/exposition.ts'
import type { RequestCounts } from './http/request-counts.ts'
import { processMetrics } from './process-metrics.ts'
import type { Reporting } from './reporting.ts'
import { requestMetrics } from './request-metrics.ts'
import type { Site } from './site.ts'
import { statusMetrics } from './status-metrics.ts'
import { storageMetrics } from './storage-metrics.ts'
import type { Store } from './store.ts'
import { describe } from './sync/problems.ts'
import type { StatusBoard } from './sync/status.ts'
import { syncMetrics } from './sync-metrics.ts'

export interface MetricsSources {
  readonly reporting: Pick<Reporting, 'read'>
  readonly board: Pick<StatusBoard, 'totals'>
  readonly requests: Pick<RequestCounts, 'read'>
  readonly site: () => Pick<Site, 'garbage' | 'scrubbing'> | undefined
  readonly store: () => Pick<Store, 'blobs' | 'disk'> | undefined
  readonly log: Log
}

/**
 * Everything that `GET /metrics` tells, gathered when somebody asks: what is counted while the registry works are plain numbers.
 * What has no value, such as the time of a sync that never was, has no sample.
 */
export function createMetrics(sources: MetricsSources): () => Promise<readonly MetricFamily[]> {
  async function scrubOf(site: Pick<Site, 'scrubbing'> | undefined): Promise<ScrubStatus | undefined> {
    try {
      return await site?.scrubbing?.status()
    } catch (error) {
      // Whoever asks how it is must hear of everything else.
      sources.log.warn({ reason: describe(error) }, 'scrub not looked up')
      return undefined
    }
  }

  return async () => {
    const parts = await sources.reporting.read()
    const site = sources.site()
    const store = sources.store()
    return [
      ...statusMetrics(parts),
      ...syncMetrics(parts, sources.board.totals()),
      ...storageMetrics({
        ...parts,
        room: store?.disk.room,
        quarantined: store && [...store.blobs.quarantined].length,
        totals: site?.garbage?.totals(),
        scrub: await scrubOf(site)
      }),
      ...requestMetrics(sources.requests.read()),
      ...(await processMetrics())
    ]
  }
}
