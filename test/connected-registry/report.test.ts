import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitReported } from '@connected-registry/edge-module/twin.ts'
import fc from 'fast-check'
import { noTraffic } from '../../modules/connected-registry/src/kept-traffic.ts'
import { fullStatus, type ReportParts, reportedTwin } from '../../modules/connected-registry/src/report.ts'
import { mergeSettings, parseSettings, type Settings } from '../../modules/connected-registry/src/settings.ts'
import type { SettingsProblem } from '../../modules/connected-registry/src/settings-sources.ts'
import type { StatusDetail } from '../../modules/connected-registry/src/sync/status.ts'
import { aToken, connectionString, environment } from './some-settings.ts'

interface Given {
  readonly settings?: Partial<Settings>
  readonly problems?: readonly SettingsProblem[]
  readonly sync?: Partial<ReportParts['sync']>
  readonly details?: readonly StatusDetail[]
}

function parts({ settings = {}, problems = [], sync, details = [] }: Given): ReportParts {
  const sources = { current: mergeSettings([settings]), problems, twinVersion: 7 }
  const nothing = { connectionState: 'Online', repositories: [], details: [] } as const
  return {
    version: '1.0.0',
    instanceId: '01234567-89ab-cdef-0123-456789abcdef',
    startedAt: '2026-01-01T00:00:00Z',
    sources,
    sync: { ...nothing, ...sync },
    traffic: noTraffic,
    details
  }
}

function read(document: unknown): Partial<Settings> {
  const result = parseSettings(document, environment)
  assert.equal(result.kind, 'settings')
  return result.kind === 'settings' ? result.settings : {}
}

const detail = (text: string): StatusDetail => ({
  type: 'Content',
  code: 'DIGEST_MISMATCH',
  description: text,
  timestamp: '2026-01-01T00:00:00.000Z',
  correlationId: '01234567-89ab-cdef-0123-456789abcdef'
})

test('the status tells of the parent and the settings what is no secret', () => {
  const sync = { schedule: '0 3 * * *', window: 'PT90M' }

  const status = fullStatus(parts({ settings: read({ connectionString, clientTokens: [aToken], sync }) }))

  assert.deepEqual(status.parent, {
    registryName: 'site1',
    loginServer: 'layer4.example:8000',
    gatewayEndpoint: 'layer4.example:8000',
    protocol: 'https',
    syncToken: 'site1'
  })
  assert.deepEqual(status.settings, {
    version: 7,
    refusedVersion: undefined,
    schedule: '0 3 * * *',
    window: 'PT1H30M',
    garbageCollection: { enabled: true, schedule: '0 0 * * *', untaggedAfter: 'P7D', grace: 'P1D' },
    clientTokens: [{ name: 'line-1', status: 'enabled' }],
    logLevel: 'Information',
    problems: []
  })
})

for (const [window, shown] of [
  ['PT1H', 'PT1H'],
  ['P7D', 'P7D'],
  ['PT36H', 'P1DT12H']
] as const)
  test(`a window of ${window} is shown as ${shown}`, () => {
    const { settings } = fullStatus(parts({ settings: read({ sync: { schedule: '0 3 * * *', window } }) }))

    assert.equal(settings.window, shown)
  })

test('contact with the parent is Unhealthy while there are details of any source', () => {
  assert.equal(fullStatus(parts({})).connectionState, 'Online')
  assert.equal(fullStatus(parts({ details: [detail('x')] })).connectionState, 'Unhealthy')
  const offline = { connectionState: 'Offline' } as const
  assert.equal(fullStatus(parts({ details: [detail('x')], sync: offline })).connectionState, 'Offline')
})

test('the worst a site can say fits into a twin, and nothing of it is dropped', () => {
  const names = Array.from({ length: 500 }, (_, at) => `${'r'.repeat(250)}${String(at).padStart(5, '0')}`)
  const text = 'x'.repeat(3000)
  const repositories = names.map((name) => ({
    name,
    wanted: 1000,
    have: 1,
    lastSync: '2026-01-01T00:00:00.000Z',
    problem: text
  }))
  const clientTokens = Array.from({ length: 50 }, (_, at) => ({ ...aToken, name: `${'t'.repeat(120)}${at}` }))
  const problems = Array.from({ length: 21 }, () => ({ source: 'twin', problem: text }) as const)
  const details = problems.map(({ problem }, at) => detail(`${at}${problem}`))

  const reported = reportedTwin(
    parts({ settings: read({ connectionString, clientTokens }), problems, details, sync: { repositories, details } })
  )

  assert.deepEqual(fitReported(reported).cut, [])
})

const longText = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.repeat(30))

test('no text of a status keeps a twin from being taken', () => {
  fc.assert(
    fc.property(fc.array(longText, { maxLength: 30 }), (texts) => {
      const reported = reportedTwin(parts({ details: texts.map(detail) }))

      const { state } = fitReported(reported)
      assert.equal((state.statusDetails as unknown[]).length, Math.min(20, texts.length))
    }),
    { numRuns: 30 }
  )
})

test('the status and the twin tell what each side lacks of the other', () => {
  const pendingUp = { artifacts: 2, bytes: 300, references: 3 }
  const repositories = [
    { name: 'app', wanted: 5, have: 3 },
    { name: 'base', wanted: 1, have: 1 }
  ]
  const given = parts({ sync: { pendingUp, repositories } })

  for (const { sync } of [fullStatus(given), reportedTwin(given) as unknown as ReturnType<typeof fullStatus>]) {
    assert.deepEqual(sync.pending.up, pendingUp)
    assert.equal(sync.pending.down.references, 2)
  }
})
