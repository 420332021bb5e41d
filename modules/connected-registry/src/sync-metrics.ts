import type { MetricFamily } from './http/exposition.ts'
import { counter, gauge, timestamp } from './metric-families.ts'
import { describePending, type ReportParts } from './report.ts'
import type { SyncTotals } from './sync/status.ts'

/** How far this registry and its parent agree, and what that took. */
export function syncMetrics({ sync, traffic }: ReportParts, totals: SyncTotals): readonly MetricFamily[] {
  const { last, repositories } = sync
  const { up, down } = describePending(sync)
  const inTrouble = repositories.filter(({ problem }) => problem !== undefined).length
  const { iterations, arrived, sent, removed } = totals
  const ways = <Value>(below: Value, above: Value) => [
    [{ direction: 'down' }, below] as const,
    [{ direction: 'up' }, above] as const
  ]
  return [
    counter('sync_iterations_total', 'Rounds of sync that ended, by result.', [
      [{ result: 'succeeded' }, iterations.Succeeded],
      [{ result: 'failed' }, iterations.Failed],
      [{ result: 'aborted' }, iterations.Aborted]
    ]),
    gauge('sync_running', 'Whether a round is under way.', sync.current ? 1 : 0),
    gauge('sync_last_success_timestamp_seconds', 'When a round last succeeded.', timestamp(sync.lastSuccess)),
    gauge('sync_last_end_timestamp_seconds', 'When the last round ended.', timestamp(last?.endedAt)),
    gauge(
      'sync_last_duration_seconds',
      'How long the last round took.',
      last && (Date.parse(last.endedAt) - Date.parse(last.startedAt)) / 1000
    ),
    gauge('sync_next_timestamp_seconds', 'When the next round is due.', timestamp(sync.next)),
    gauge('sync_pending_references', 'Tags and digests that one side lacks.', ways(down.references, up?.references)),
    gauge(
      'sync_pending_bytes',
      'Bytes of that, as far as they are known.',
      ways(down.references > 0 ? down.bytes : 0, up?.bytes)
    ),
    gauge('sync_repositories', 'Repositories in scope, by whether sync is done with them.', [
      [{ state: 'complete' }, repositories.length - inTrouble],
      [{ state: 'in_trouble' }, inTrouble]
    ]),
    counter('sync_manifests_total', 'Manifests that sync brought.', ways(arrived.artifacts, sent.artifacts)),
    counter('sync_content_bytes_total', 'Bytes of content that sync brought.', ways(arrived.bytes, sent.bytes)),
    counter('sync_removed_references_total', 'References that sync removed here.', removed),
    counter('parent_requests_total', 'Requests to the parent since the store began.', [
      [{ kind: 'read' }, traffic.requests - traffic.writeRequests],
      [{ kind: 'write' }, traffic.writeRequests]
    ]),
    counter('parent_request_failures_total', 'Of these, those without an answer or with a 5xx.', traffic.failures),
    counter(
      'parent_received_bytes_total',
      'Bytes from the parent on the wire, since the store began.',
      traffic.receivedBytes
    ),
    counter('parent_sent_bytes_total', 'Bytes to the parent on the wire, since the store began.', traffic.sentBytes)
  ]
}
