import type { ChildOverview } from './children/child-reports.ts'
import { flattenDescendants } from './children-report.ts'
import type { MetricFamily } from './http/exposition.ts'
import { gauge, oneOf, timestamp } from './metric-families.ts'
import { connectionStates } from './protocol/gateway.ts'
import { type ReportParts, stateOf } from './report.ts'
import type { StatusDetail } from './sync/status.ts'

const modes = ['ReadOnly', 'ReadWrite'] as const

/** What this registry is, and how it and those below it are. */
export function statusMetrics(parts: ReportParts): readonly MetricFamily[] {
  const { version, sources, sync, details, certificate, delegation, notifications, children = [] } = parts
  const { connection, mode } = sources.current
  return [
    gauge('build_info', 'Version of this registry and of its Node; always 1.', [
      [{ version, node_version: process.version }, 1]
    ]),
    gauge('mode', 'Whether clients may push: 1 for the mode in force.', oneOf('mode', modes, mode)),
    gauge('parent_configured', 'Whether a connection string is in force.', connection ? 1 : 0),
    gauge(
      'connection_state',
      'How it stands with the parent: 1 for the state that is true.',
      oneOf('state', connectionStates, stateOf(parts))
    ),
    gauge('parent_following', 'Whether the parent tells by itself what changes there.', parts.isFollowing ? 1 : 0),
    gauge(
      'status_details',
      'Causes of trouble that the status names, by code.',
      countDetails([...details, ...sync.details])
    ),
    gauge('settings_problems', 'Settings that are refused.', sources.problems.length),
    gauge('delegated_tokens', 'Client tokens that the parent proved.', delegation?.tokens.length),
    gauge(
      'certificate_expiry_timestamp_seconds',
      'End of the certificate shown to clients.',
      timestamp(certificate?.expiresAt)
    ),
    gauge('notifications_unread', 'Changes that nobody looked at yet who is to be told.', notifications?.unread),
    gauge(
      'notifications_last_sent_timestamp_seconds',
      'When the change came that edgeHub was told of last.',
      timestamp(notifications?.lastSent)
    ),
    gauge('children', 'Registries right below this one, by state.', countStates(children)),
    gauge('descendants', 'All registries below this one, by state.', countStates(flattenDescendants(children)))
  ]
}

function countDetails(details: readonly StatusDetail[]) {
  const counts = new Map<string, { readonly labels: { type: string; code: string }; count: number }>()
  for (const { type, code } of details) {
    const known = counts.get(code) ?? { labels: { type, code }, count: 0 }
    known.count += 1
    counts.set(code, known)
  }
  return Array.from(counts.values(), ({ labels, count }) => [labels, count] as const)
}

function countStates(registries: readonly Pick<ChildOverview, 'connectionState'>[]) {
  return connectionStates.map((state) => {
    return [{ state }, registries.filter(({ connectionState }) => connectionState === state).length] as const
  })
}
