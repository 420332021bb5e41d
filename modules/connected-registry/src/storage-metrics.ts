import type { ScrubStatus } from './background-scrub.ts'
import type { GarbageTotals } from './garbage-schedule.ts'
import type { MetricFamily } from './http/exposition.ts'
import { counter, gauge, timestamp } from './metric-families.ts'
import type { ReportParts } from './report.ts'
import type { DiskRoom } from './storage/disk-guard.ts'

/** Each part is left out where there is no store, or it is not counted yet. */
export interface StorageParts extends Pick<ReportParts, 'storage' | 'uploads' | 'garbage'> {
  readonly room: DiskRoom | undefined
  /** Blobs that were found damaged and wait to be brought anew. */
  readonly quarantined: number | undefined
  readonly totals: GarbageTotals | undefined
  readonly scrub: ScrubStatus | undefined
}

/** What is here, the room that is left, and what is done to keep it whole and small. */
export function storageMetrics(parts: StorageParts): readonly MetricFamily[] {
  const { storage, uploads, room, quarantined } = parts
  return [
    gauge('storage_used_bytes', 'Bytes of blobs and manifests, each once.', storage?.bytes),
    gauge('storage_free_bytes', 'Bytes that are free on the disk.', room?.free),
    gauge('storage_reserve_bytes', 'Nothing is taken in where less is free.', room?.reserve),
    gauge('storage_quota_bytes', 'Bytes that content may take, where that is set.', room?.quota),
    gauge('repositories', 'Repositories that are here.', storage?.repositories),
    gauge('manifests', 'Manifests, one in each repository that holds it.', storage?.manifests),
    gauge('blobs', 'Blobs in the store.', storage?.blobs),
    gauge('quarantined_blobs', 'Damaged blobs that wait to be brought anew.', quarantined),
    gauge('open_uploads', 'Uploads that clients have begun and not finished.', uploads?.count),
    gauge('open_upload_bytes', 'Bytes that came with them so far.', uploads?.bytes),
    ...garbageMetrics(parts),
    ...scrubMetrics(parts.scrub)
  ]
}

function garbageMetrics({ garbage, totals }: Pick<StorageParts, 'garbage' | 'totals'>): readonly MetricFamily[] {
  const freed = totals && totals.bytesFreed + totals.manifestBytesRemoved
  return [
    counter('garbage_collections_total', 'Collections of garbage that ended, by result.', [
      [{ result: 'succeeded' }, totals?.succeeded],
      [{ result: 'failed' }, totals?.failed]
    ]),
    counter(
      'garbage_removed_total',
      'What they removed: manifests and blobs from a repository, blobs from the store.',
      [
        [{ kind: 'manifest' }, totals?.manifestsRemoved],
        [{ kind: 'link' }, totals?.linksRemoved],
        [{ kind: 'blob' }, totals?.blobsRemoved]
      ]
    ),
    counter('garbage_freed_bytes_total', 'Bytes of content that left the store by them.', freed),
    gauge(
      'garbage_last_end_timestamp_seconds',
      'When garbage was last collected since the start.',
      timestamp(garbage?.last?.endedAt)
    )
  ]
}

function scrubMetrics(scrub: ScrubStatus | undefined): readonly MetricFamily[] {
  return [
    gauge('scrub_last_end_timestamp_seconds', 'When all content had last been read.', timestamp(scrub?.lastEndedAt)),
    counter('scrub_damaged_total', 'Damaged contents that were found since the start.', scrub?.damaged)
  ]
}
