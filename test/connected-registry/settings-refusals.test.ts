import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSettings } from '../../modules/connected-registry/src/settings.ts'
import { aToken, connectionString, environment, hash } from './some-settings.ts'

const token = aToken

function problems(document: unknown): readonly string[] {
  const result = parseSettings(document, environment)
  return result.kind === 'refused' ? result.problems : []
}

const part = (name: string) => connectionString.split(';').find((text) => text.startsWith(name))!
const without = (name: string) =>
  connectionString
    .split(';')
    .filter((text) => !text.startsWith(name))
    .join(';')

const wrong: readonly (readonly [what: string, document: unknown, ...problems: RegExp[]])[] = [
  [
    'a connection string without a key',
    { connectionString: without('SyncTokenName') },
    /^connectionString: SyncTokenName is missing$/
  ],
  [
    'a connection string with a doubled key',
    { connectionString: `${connectionString};${part('SyncTokenName')}` },
    /^connectionString: SyncTokenName is there twice$/
  ],
  [
    'a connection string with an unknown key',
    { connectionString: `${connectionString};Colour=blue` },
    /^connectionString: Colour is not a known key$/
  ],
  [
    'a managed identity',
    { connectionString: `${connectionString};ManagedIdentityClientId=0f0f` },
    /^connectionString: ManagedIdentityClientId is not supported/
  ],
  [
    'a variable that is not set',
    { connectionString: connectionString.replace('$PARENT', '$NOWHERE') },
    /^connectionString: ParentGatewayEndpoint names NOWHERE, which the environment does not set$/
  ],
  [
    'an empty connection string',
    { connectionString: '' },
    ...[
      'ConnectedRegistryName',
      'SyncTokenName',
      'SyncTokenPassword',
      'ParentGatewayEndpoint',
      'ParentEndpointProtocol'
    ].map((key) => new RegExp(`^connectionString: ${key} is missing$`))
  ],
  [
    'a connection string without an end',
    { connectionString: connectionString.padEnd(5000, 'x') },
    /^connectionString: /
  ],
  ['an unknown mode', { mode: 'Mirror' }, /^mode: is no mode; use ReadOnly or ReadWrite$/],
  ['a mode in other letters', { mode: 'readonly' }, /^mode: is no mode; use ReadOnly or ReadWrite$/],
  ['a cron pattern of six fields', { sync: { schedule: '0 0 3 * * *', window: 'PT3H' } }, /^sync\.schedule: /],
  ['a cron pattern out of range', { sync: { schedule: '0 25 * * *', window: 'PT3H' } }, /^sync\.schedule: /],
  ['a cron pattern that never comes', { sync: { schedule: '0 0 30 2 *', window: 'PT3H' } }, /^sync\.schedule: /],
  ['words for a cron pattern', { sync: { schedule: 'at night', window: 'PT3H' } }, /^sync\.schedule: /],
  ['an empty cron pattern', { sync: { schedule: '', window: 'PT3H' } }, /^sync\.schedule: /],
  ['a schedule without a window', { sync: { schedule: '0 3 * * *' } }, /^sync: the schedule needs a window/],
  ['a window that is too short', { sync: { schedule: '0 3 * * *', window: 'PT59M' } }, /^sync\.window: .*PT1H to P7D/],
  ['a window that is too long', { sync: { schedule: '0 3 * * *', window: 'P8D' } }, /^sync\.window: /],
  ['a window that is negative', { sync: { schedule: '0 3 * * *', window: '-PT3H' } }, /^sync\.window: /],
  ['a window without a fixed length', { sync: { schedule: '0 3 * * *', window: 'P1M' } }, /^sync\.window: /],
  ['a window that is no duration', { sync: { schedule: '0 3 * * *', window: '3 hours' } }, /^sync\.window: /],
  ['a window that nothing needs but is no duration', { sync: { window: '3 hours' } }, /^sync\.window: /],
  [
    'a repository in capitals',
    { repositories: ['fine', 'Demo/App'] },
    /^repositories\.1: is neither a repository name/
  ],
  ['a repository with a tag', { repositories: ['demo/app:1.0'] }, /^repositories\.0: /],
  ['a repository that climbs', { repositories: ['../demo'] }, /^repositories\.0: /],
  ['an empty repository', { repositories: [''] }, /^repositories\.0: /],
  ['a repository of 256 characters', { repositories: ['a'.repeat(256)] }, /^repositories\.0: /],
  ['a pattern with a * inside', { repositories: ['demo/*/app'] }, /^repositories\.0: /],
  [
    'too many repositories',
    { repositories: Array.from({ length: 501 }, (_, at) => `r${at}`) },
    /^repositories: Too big/
  ],
  [
    'too many tokens',
    { clientTokens: Array.from({ length: 20_001 }, () => token) },
    /^clientTokens: more than 20000 client tokens$/
  ],
  [
    'tokens of one name',
    { clientTokens: [token, { ...token, name: 'other' }, { ...token, name: 'LINE-1' }] },
    /^clientTokens: 0 and 2 have the same name$/
  ],
  ['a token without a name', { clientTokens: [{ ...token, name: '' }] }, /^clientTokens\.0\.name: /],
  ['a token with a colon in its name', { clientTokens: [{ ...token, name: 'a:b' }] }, /^clientTokens\.0\.name: /],
  ['a token in an unknown state', { clientTokens: [{ ...token, status: 'on' }] }, /^clientTokens\.0\.status: /],
  ['a token without passwords', { clientTokens: [{ ...token, passwords: [] }] }, /^clientTokens\.0\.passwords: /],
  [
    'a token with three passwords',
    { clientTokens: [{ ...token, passwords: [{ hash }, { hash }, { hash }] }] },
    /^clientTokens\.0\.passwords: /
  ],
  [
    'a password hash of unknown form',
    { clientTokens: [{ ...token, passwords: [{ hash }, { hash: '$2y$10$abcdefghijklmnopqrstuv' }] }] },
    /^clientTokens\.0\.passwords\.1\.hash: is not a password hash/
  ],
  [
    'an expiry that is no date',
    { clientTokens: [{ ...token, passwords: [{ hash, expiry: 'tomorrow' }] }] },
    /^clientTokens\.0\.passwords\.0\.expiry: /
  ],
  ['a token without actions', { clientTokens: [{ ...token, actions: [] }] }, /^clientTokens\.0\.actions: /],
  ...['content/read', 'repositories/a/content/reed', 'repositories/a/*/b/content/read', 'gateway/a/pull', ''].map(
    (action) =>
      [
        `the action ${JSON.stringify(action)}`,
        { clientTokens: [{ ...token, actions: [...token.actions, action] }] },
        /^clientTokens\.0\.actions\.1: is no action/
      ] as const
  ),
  ...['repositories/a/*/b/content/read', 'repositories/a/b*/content/read'].map(
    (action) =>
      [
        `the wildcard in ${action}`,
        { clientTokens: [{ ...token, actions: [action] }] },
        /^clientTokens\.0\.actions\.0: is no action of a scope map: a \* must be the whole last segment$/
      ] as const
  ),
  [
    'a notification without an action',
    { notifications: ['hello-world:*:push', 'hello-world'] },
    /^notifications\.1: does not end with an action/
  ],
  ['too many notifications', { notifications: Array.from({ length: 101 }, () => '*:*') }, /^notifications: Too big/],
  ['an endless notification', { notifications: [`${'a:'.repeat(100_000)}push`] }, /^notifications\.0: Too big/],
  ['an unknown log level', { logLevel: 'Trace' }, /^logLevel: /],
  ['an unknown key', { repository: ['a'] }, /^repository: unknown setting$/],
  ['an unknown key further down', { sync: { cron: '* * * * *' } }, /^sync\.cron: unknown setting$/],
  [
    'an unknown key of a token',
    { clientTokens: [{ ...token, user: 'x' }] },
    /^clientTokens\.0\.user: unknown setting$/
  ],
  ['several faults', { mode: 'x', logLevel: 1, a: 1 }, /^mode: /, /^logLevel: /, /^a: /],
  ['null for a setting', { sync: null }, /^sync: .*null/],
  ['a list for a setting', { mode: ['ReadOnly'] }, /^mode: /],
  ['a text for a list', { repositories: 'a,b' }, /^repositories: /],
  ['a number for a text', { connectionString: 1 }, /^connectionString: /],
  ['a map for a list', { clientTokens: { line: token } }, /^clientTokens: /],
  ['no document', undefined, /./],
  ['null', null, /./],
  ['a list', [], /./],
  ['a text', connectionString, /./],
  ['a very deep document', JSON.parse(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), /^a: unknown setting$/],
  ['a very deep list', { repositories: JSON.parse(`${'['.repeat(10_000)}${']'.repeat(10_000)}`) }, /^repositories\.0: /]
]

for (const [what, document, ...expected] of wrong)
  test(`${what} is refused by the name of its key, and all else with it`, () => {
    const result = parseSettings(document, environment)

    assert.equal(result.kind, 'refused')
    for (const pattern of expected) assert.match(problems(document).join('\n'), new RegExp(pattern.source, 'm'))
    assert.equal(problems(document).length, expected.length, problems(document).join('\n'))
  })

test('of very many problems the first are named and the others counted', () => {
  const keys = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key ${at}`, 1]))

  const named = problems({ repositories: Array.from({ length: 500 }, () => 'NO'), ...keys })

  assert.equal(named.length, 21)
  assert.match(named[0]!, /^repositories\.0: /)
  assert.equal(named[20], `${50_000 + 500 - 20} more`)
})
