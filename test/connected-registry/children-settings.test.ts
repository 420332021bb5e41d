import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChildOverview } from '../../modules/connected-registry/src/children/child-reports.ts'
import { childrenInForce } from '../../modules/connected-registry/src/children-in-force.ts'
import { descendantsSummary } from '../../modules/connected-registry/src/children-report.ts'
import { allows, allowsGateway } from '../../modules/connected-registry/src/protocol/scope-map.ts'
import { mergeSettings, parseSettings } from '../../modules/connected-registry/src/settings.ts'
import { settingsDetails } from '../../modules/connected-registry/src/status-details.ts'
import { aToken, connectionString, environment, hash } from './some-settings.ts'

const passwords = [{ hash }]
const layer3 = { name: 'layer3', repositories: ['demo/app'], syncToken: { name: 'layer3-sync', passwords } }
const layer4 = {
  name: 'Layer4',
  mode: 'ReadWrite',
  repositories: ['demo/*'],
  syncToken: { name: 'layer4-sync', passwords },
  clientTokens: ['line-1', 'elsewhere'],
  sync: { schedule: '0 3 * * *', window: 'PT3H', messageTtl: 'P3D' },
  notifications: ['demo/*:push'],
  garbageCollection: { schedule: '0 4 * * *' },
  logLevel: 'Debug',
  children: [layer3]
}
const line1 = {
  ...aToken,
  name: 'line-1',
  actions: ['repositories/*/content/read', 'repositories/other/content/write']
}
const document = {
  connectionString,
  mode: 'ReadWrite',
  repositories: ['demo/*', 'other'],
  clientTokens: [line1, { ...aToken, name: 'elsewhere', actions: ['repositories/other/content/read'] }],
  children: [layer4]
}

function settingsOf(changes: object = {}) {
  const result = parseSettings({ ...document, ...changes }, environment)
  assert.ok(result.kind === 'settings', JSON.stringify(result))
  return mergeSettings([result.settings])
}

test('a child is configured in the shape of a twin, which it can read, with what lies in its repositories of the tokens it takes over', () => {
  const [child] = childrenInForce(settingsOf()).children

  assert.deepEqual(child?.config, {
    mode: 'ReadWrite',
    repositories: ['demo/*'],
    sync: { schedule: '0 3 * * *', window: 'PT3H' },
    clientTokens: [{ ...line1, status: 'enabled', actions: ['repositories/demo/*/content/read'] }],
    notifications: ['demo/*:push'],
    garbageCollection: { schedule: '0 4 * * *' },
    logLevel: 'Debug',
    children: [layer3]
  })
  assert.equal(parseSettings(child?.config, environment).kind, 'settings')
  assert.equal(child?.messageTtlMs, 3 * 24 * 3_600_000)
  assert.deepEqual(child?.descendants, ['layer3'])
})

test('the sync token of a child has the rights of its mode in its repositories, and its own gateway', () => {
  const token = childrenInForce(settingsOf()).tokens.find(({ name }) => name === 'layer4-sync')
  const reader = childrenInForce(settingsOf({ children: [{ ...layer3, repositories: ['demo/app'] }] })).tokens.at(-1)

  assert.equal(token?.child, 'Layer4')
  assert.ok(token && reader)
  assert.ok(allows(token.scopeMap, 'content/delete', 'demo/app'))
  assert.ok(!allows(token.scopeMap, 'content/read', 'other'))
  assert.ok(allowsGateway(token.scopeMap, 'config/write', 'layer4'))
  assert.ok(!allowsGateway(token.scopeMap, 'config/read', 'layer3'))
  assert.ok(allows(reader.scopeMap, 'metadata/read', 'demo/app'))
  assert.ok(!allows(reader.scopeMap, 'content/write', 'demo/app'))
})

const refusals: readonly (readonly [what: string, changes: object, problem: RegExp])[] = [
  ['a child outside of our repositories', { repositories: ['other'] }, /repository demo\/\* is not among/],
  ['a client token that nobody knows', { clientTokens: [] }, /there is no client token line-1/],
  [
    'a sync token with the name of a client token',
    { clientTokens: [...document.clientTokens, { ...line1, name: 'LAYER4-sync' }] },
    /is taken/
  ]
]

for (const [what, changes, problem] of refusals) {
  test(`${what} is refused, named in the status, and cannot sign in`, () => {
    const current = settingsOf(changes)

    const { children, tokens, refused } = childrenInForce(current)

    assert.deepEqual(children, [])
    assert.ok(tokens.every(({ child }) => child === undefined))
    assert.match(refused[0]?.problem ?? '', problem)
    const details = settingsDetails({ current, problems: [], isIncomplete: false })
    assert.deepEqual(
      details.map(({ code }) => code),
      ['CHILD_REFUSED']
    )
  })
}

test('a ReadWrite child of a ReadOnly registry signs in, and the status names it', () => {
  const current = settingsOf({ mode: 'ReadOnly' })

  const { tokens, refused } = childrenInForce(current)

  assert.deepEqual(refused, [])
  assert.ok(tokens.some(({ child }) => child === 'Layer4'))
  const [detail] = settingsDetails({ current, problems: [], isIncomplete: false })
  assert.equal(detail?.code, 'CHILD_READ_WRITE')
  assert.match(detail?.description ?? '', /Can't create the registry 'Layer4' with mode 'ReadWrite'/)
})

test('what is wrong with a child refuses the document, and each problem says where it is', () => {
  const wrong = { ...layer4, name: 'abc', sync: { schedule: '0 3 * * *' }, children: [{ ...layer3, colour: 'blue' }] }

  const result = parseSettings({ ...document, children: [wrong] }, environment)

  assert.ok(result.kind === 'refused')
  assert.deepEqual(result.problems.toSorted(), [
    'children.0.children.0.colour: unknown setting',
    'children.0.name: Connected registry name must be at least 5 characters long.',
    'children.0.name: is no name: 5 to 50 letters, digits, - or _'
  ])
})

test('a schedule of a child without a window, or an unknown key beside it, is named', () => {
  for (const [sync, problem] of [
    [{ schedule: '0 3 * * *' }, 'children.0.sync: the schedule needs a window, such as PT3H'],
    [{ colour: 'blue' }, 'children.0.sync.colour: unknown setting'],
    [{ messageTtl: 'P3Y' }, 'children.0.sync.messageTtl: is no ISO 8601 duration from P1D to P90D']
  ] as const) {
    const result = parseSettings({ ...document, children: [{ ...layer3, sync }] }, environment)

    assert.deepEqual(result.kind === 'refused' && result.problems, [problem])
  }
})

test('the worst that can be said below leaves room in the twin for what this registry says of itself', () => {
  const codes = Array.from({ length: 50 }, (_, at) => `${String(at).padStart(2, '0')}${'X'.repeat(98)}`)
  const statusDetails = codes.map((code) => ({ type: 't', code, description: '', timestamp: '', correlationId: '' }))
  const report = { version: '1', mode: 'ReadOnly', connectionState: 'Unhealthy', statusDetails } as const
  const deep = (levels: number): ChildOverview => {
    const children = levels === 0 ? [] : [deep(levels - 1)]
    return { name: 'x'.repeat(50), connectionState: 'Unhealthy', report: { ...report, children } }
  }

  const summary = descendantsSummary(Array.from({ length: 20 }, () => deep(19)))

  assert.deepEqual([summary?.count, summary?.worst.length], [400, 20])
  assert.ok(JSON.stringify(summary).length < 7 * 1024)
})

test('all below are counted for the twin, and the worst are named by their way down', () => {
  const detail = { type: 'Parent', code: 'PARENT_UNREACHABLE', description: '', timestamp: '', correlationId: '' }
  const report = {
    version: '1',
    mode: 'ReadOnly',
    connectionState: 'Unhealthy',
    statusDetails: [detail, detail]
  } as const
  const below = { name: 'layer3', connectionState: 'Offline' } as const

  const summary = descendantsSummary([
    { name: 'site-a', connectionState: 'Online' },
    { name: 'layer4', connectionState: 'Unhealthy', report: { ...report, children: [below] } }
  ])

  assert.deepEqual(JSON.parse(JSON.stringify(summary)), {
    count: 3,
    online: 1,
    offline: 1,
    unhealthy: 1,
    worst: [
      { name: 'layer4/layer3', connectionState: 'Offline' },
      { name: 'layer4', connectionState: 'Unhealthy', codes: ['PARENT_UNREACHABLE'] }
    ]
  })
  assert.equal(descendantsSummary([]), undefined)
})
