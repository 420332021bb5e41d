import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import type { ChildOverview } from '../../modules/connected-registry/src/children/child-reports.ts'
import { formatMetrics } from '../../modules/connected-registry/src/http/exposition.ts'
import { createMetrics } from '../../modules/connected-registry/src/metrics.ts'
import type { ReportParts } from '../../modules/connected-registry/src/report.ts'
import { mergeSettings } from '../../modules/connected-registry/src/settings.ts'
import { createStatusBoard } from '../../modules/connected-registry/src/sync/status.ts'
import { type Exposition, parseExposition, sampleOf } from '../fixtures/exposition.ts'
import { freePorts } from '../fixtures/ports.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { aProcess } from './module-under-test.ts'
import { client, clientToken } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const own = (name: string) => `connected_registry_${name}`
const planted = { repository: 'plant/planted-name', syncPassword: 'planted-sync-word' }

/** A site whose parent is away, as a process of its own. */
async function aSite(t: TestContext) {
  const folder = await temporaryFolder()
  const [parentPort] = await freePorts(1)
  const settings = {
    clientTokens: [
      await clientToken(),
      await clientToken({ name: 'narrow', actions: ['repositories/plant/x/content/read'] })
    ],
    connectionString: `ConnectedRegistryName=site1;SyncTokenName=site1;SyncTokenPassword=${planted.syncPassword};ParentGatewayEndpoint=127.0.0.1:${parentPort};ParentEndpointProtocol=http`,
    repositories: [planted.repository],
    storage: { quota: '3GiB' }
  }
  await writeFile(join(folder, 'settings.json'), JSON.stringify(settings))
  const { module, port } = await aProcess(t, {
    ACR_REGISTRY_DATA_VOLUME: join(folder, 'data'),
    ACR_REGISTRY_SETTINGS: join(folder, 'settings.json')
  })
  const ask = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}/metrics`, { headers })
  const authorization = basicAuthorization(client.name, client.password)
  async function scrape(accept = 'text/plain'): Promise<string> {
    const answer = await ask({ authorization, accept })
    assert.equal(answer.status, 200)
    return answer.text()
  }
  return { module, ask, scrape }
}

test('a process is scraped by whoever may, in both formats, and what it keeps counts on over restarts', {
  timeout: 60_000
}, async (t) => {
  const { module, ask, scrape } = await aSite(t)
  await module.start()
  await module.line(({ msg }) => msg === 'iteration ended', t.signal)

  const nobody = await ask({})
  const narrow = await ask({ authorization: basicAuthorization('narrow', client.password) })
  const text = await scrape()
  const told = parseExposition(text)
  const open = parseExposition(await scrape('application/openmetrics-text; version=1.0.0'), 'openmetrics')

  assert.deepEqual([nobody.status, narrow.status], [401, 403])
  assert.equal(sampleOf(told, own('connection_state'), '{state="Offline"}'), 1)
  assert.match(text, /^connected_registry_status_details\{type="Parent",code="(?:UNREACHABLE|BREAKER_OPEN)"\} 1$/m)
  assert.equal(sampleOf(told, own('sync_iterations_total'), '{result="failed"}'), 1)
  assert.equal(sampleOf(told, own('storage_quota_bytes')), 3 * 2 ** 30)
  assert.equal(sampleOf(told, own('sync_pending_bytes'), '{direction="down"}'), 0)
  assert.ok(sampleOf(told, own('storage_free_bytes')) > 0 && sampleOf(told, own('storage_reserve_bytes')) >= 2 ** 28)
  const refused = (status: number) => `{method="GET",route="/metrics",status="${status}"}`
  assert.deepEqual(
    [401, 403].map((status) => sampleOf(told, own('http_requests_total'), refused(status))),
    [1, 1]
  )
  assert.ok(sampleOf(told, 'process_resident_memory_bytes') > 2 ** 24)
  assert.deepEqual(
    new Set(Array.from(open.keys(), (name) => name)),
    new Set(Array.from(told.keys(), (name) => name.replace(/_total$/, '')))
  )
  for (const secret of [...Object.values(planted), client.name, client.password, 'narrow', 'site1', 'scrypt']) {
    assert.equal(text.includes(secret), false, secret)
  }

  await module.stop()
  const from = module.lines.length
  await module.start()
  await module.line((line) => line.msg === 'iteration ended' && module.lines.indexOf(line) >= from, t.signal)

  const failures = (exposition: Exposition) => sampleOf(exposition, own('parent_request_failures_total'))
  const [before, after] = [failures(told), failures(parseExposition(await scrape()))]
  assert.ok(before > 0 && after > before, `${before}, then ${after}`)
})

const detail = { description: 'planted', timestamp: '2026-01-01T00:00:00Z', correlationId: 'planted' } as const
const child = (
  name: string,
  connectionState: ChildOverview['connectionState'],
  children: ChildOverview[] = []
): ChildOverview => ({
  name,
  connectionState,
  report: {
    version: 'planted',
    connectionState,
    mode: 'ReadOnly',
    statusDetails: [{ ...detail, type: 'planted', code: 'planted' }],
    children
  }
})

test('everything that the status knows of figures is told, and no word that somebody else chose', async () => {
  const board = createStatusBoard(() => new Date())
  const parts: ReportParts = {
    version: '1.0.0',
    startedAt: '2026-01-01T00:00:00Z',
    sources: {
      current: mergeSettings([{ mode: 'ReadWrite' }]),
      problems: [{ source: 'twin', problem: 'planted' }],
      twinVersion: 1
    },
    sync: {
      connectionState: 'Online',
      lastSuccess: '1970-01-01T00:01:40Z',
      next: '1970-01-01T00:03:20Z',
      last: {
        ...{ correlationId: 'planted', startedAt: '1970-01-01T00:01:00Z', endedAt: '1970-01-01T00:01:30.500Z' },
        ...{ result: 'Aborted', artifacts: 1, bytes: 2, removed: 3, sent: { artifacts: 4, bytes: 5 } }
      },
      current: {
        ...{ startedAt: '1970-01-01T00:02:00Z', correlationId: 'planted', artifacts: 0, bytes: 0, removed: 0 },
        ...{ missingReferences: 2, missingBytes: 700, bytesPerSecond: 1, sent: { artifacts: 0, bytes: 0 } }
      },
      pendingUp: { references: 3, artifacts: 2, bytes: 50 },
      repositories: [
        { name: 'planted', wanted: 5, have: 3, problem: 'planted' },
        { name: 'planted/two', wanted: 2, have: 2 }
      ],
      details: [
        { ...detail, type: 'Content', code: 'TAG_CONFLICT' },
        { ...detail, type: 'Content', code: 'TAG_CONFLICT' }
      ]
    },
    traffic: { requests: 10, writeRequests: 4, failures: 1, sentBytes: 20, receivedBytes: 30 },
    storage: { repositories: 2, manifests: 3, blobs: 4, bytes: 5, freeBytes: 6 },
    uploads: { count: 1, bytes: 9 },
    certificate: { source: 'volume', expiresAt: new Date(500_000) },
    children: [child('planted-a', 'Offline', [child('planted-b', 'Online')]), child('planted-c', 'Unhealthy')],
    isFollowing: true,
    notifications: { unread: 8, lastSent: '1970-01-01T00:05:00Z' },
    details: []
  }
  const reporting = { read: async () => parts }
  const lines: string[] = []
  const metrics = createMetrics({
    reporting,
    board,
    requests: { read: () => [] },
    site: () => ({ scrubbing: { status: () => Promise.reject(new Error('the store is closed')) } }),
    store: () => undefined,
    log: createLog({ module: 'test', destination: { write: (line) => lines.push(line) } })
  })

  const { text } = await formatMetrics(await metrics(), 'text')

  const told = parseExposition(text)
  for (const [name, labels, value] of [
    ['mode', '{mode="ReadWrite"}', 1],
    ['connection_state', '{state="Online"}', 1],
    ['connection_state', '{state="Unhealthy"}', 0],
    ['parent_following', '', 1],
    ['status_details', '{type="Content",code="TAG_CONFLICT"}', 2],
    ['settings_problems', '', 1],
    ['certificate_expiry_timestamp_seconds', '', 500],
    ['notifications_unread', '', 8],
    ['notifications_last_sent_timestamp_seconds', '', 300],
    ['children', '{state="Offline"}', 1],
    ['children', '{state="Online"}', 0],
    ['descendants', '{state="Online"}', 1],
    ['sync_running', '', 1],
    ['sync_last_success_timestamp_seconds', '', 100],
    ['sync_last_end_timestamp_seconds', '', 90.5],
    ['sync_last_duration_seconds', '', 30.5],
    ['sync_next_timestamp_seconds', '', 200],
    ['sync_pending_references', '{direction="down"}', 2],
    ['sync_pending_references', '{direction="up"}', 3],
    ['sync_pending_bytes', '{direction="down"}', 700],
    ['sync_pending_bytes', '{direction="up"}', 50],
    ['sync_repositories', '{state="in_trouble"}', 1],
    ['parent_requests_total', '{kind="read"}', 6],
    ['parent_requests_total', '{kind="write"}', 4],
    ['parent_received_bytes_total', '', 30],
    ['parent_sent_bytes_total', '', 20],
    ['storage_used_bytes', '', 5],
    ['repositories', '', 2],
    ['open_uploads', '', 1],
    ['open_upload_bytes', '', 9]
  ] as const)
    assert.equal(sampleOf(told, own(name), labels), value, name + labels)
  assert.doesNotMatch(text, /planted/)
  assert.match(lines.join(), /the store is closed/)
  assert.equal(told.has(own('storage_quota_bytes')), false)
})
