import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatRepositoryPattern } from '../../modules/connected-registry/src/protocol/repository-pattern.ts'
import {
  defaultSettings,
  mergeSettings,
  parseSettings,
  type Settings
} from '../../modules/connected-registry/src/settings.ts'
import { aToken, connectionString, environment } from './some-settings.ts'

const token = aToken

function taken(document: unknown): Partial<Settings> {
  const result = parseSettings(document, environment)
  assert.equal(result.kind, 'settings', JSON.stringify(result))
  return result.kind === 'settings' ? result.settings : {}
}

function problems(document: unknown): readonly string[] {
  const result = parseSettings(document, environment)
  return result.kind === 'refused' ? result.problems : []
}

test('a whole document is read into the words of this product', () => {
  const sync = { schedule: '0  3 * * *', window: 'PT1H30M' }
  const repositories = ['demo/app', 'base/*']

  const settings = taken({
    connectionString,
    mode: 'ReadOnly',
    repositories,
    sync,
    clientTokens: [token],
    notifications: ['hello-world:*:push'],
    logLevel: 'Debug'
  })

  assert.equal(settings.connection?.loginServer, 'layer4.example:8000')
  assert.deepEqual(settings.connection?.syncToken, { name: 'site1', password: 's3cret==' })
  assert.deepEqual(settings.repositories?.map(formatRepositoryPattern), repositories)
  assert.deepEqual(settings.schedule, { cron: '0 3 * * *', windowMs: 5_400_000 })
  assert.deepEqual(
    settings.clientTokens?.map(({ name, status }) => ({ name, status })),
    [{ name: 'line-1', status: 'enabled' }]
  )
  assert.deepEqual(
    settings.notifications?.map(({ text, tag, action }) => [text, tag, action]),
    [['hello-world:*:push', '*', 'push']]
  )
  assert.equal(settings.logLevel, 'Debug')
})

test('what is left out stays out, so that an earlier source may say it', () => {
  assert.deepEqual(taken({}), {})
  assert.deepEqual(Object.keys(taken({ mode: 'ReadOnly' })), ['mode'])
  assert.deepEqual(taken({ sync: {} }), { schedule: { cron: '* * * * *' } })
})

test("the hub's own keys are passed over", () => {
  const $metadata = { $lastUpdated: '2026-01-01T00:00:00Z', repositories: { $lastUpdatedVersion: 3 } }

  assert.deepEqual(Object.keys(taken({ $version: 7, $metadata, logLevel: 'Error' })), ['logLevel'])
})

test('later layers win key by key', () => {
  const layers = [
    taken({ connectionString, repositories: ['a'], logLevel: 'Debug' }),
    taken({ repositories: ['b', 'c'], sync: { schedule: '0 3 * * *', window: 'P1D' } }),
    taken({ logLevel: 'Warning', repositories: [] })
  ]

  const merged = mergeSettings(layers)

  assert.equal(merged.connection?.registryName, 'site1')
  assert.deepEqual(merged.repositories, [])
  assert.equal(merged.schedule.cron, '0 3 * * *')
  assert.equal(merged.logLevel, 'Warning')
  assert.deepEqual(mergeSettings([]), defaultSettings)
})

const secret = 'Pa55-word/planted+here='

/** Whatever may stand in a document, and the secret where it does not belong: as a value, inside one, or as a key. */
const planted = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(secret, `x${secret}x`, `${connectionString};${secret}`, null, true, 0, -1, 1e300, ''),
    fc.constantFrom<unknown>(`SyncTokenPassword=${secret}`, `* * ${secret} * *`, `repositories/${secret}/content/read`),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('document')
  ),
  document: fc.dictionary(
    fc.oneof(
      fc.constantFrom('connectionString', 'mode', 'repositories', 'sync', 'clientTokens', 'logLevel', '__proto__'),
      fc.constantFrom('schedule', 'window', 'name', 'status', 'passwords', 'hash', 'expiry', 'actions', '$version'),
      fc.constant(secret),
      fc.string()
    ),
    tie('value'),
    { maxKeys: 6 }
  )
}))

test('whatever a document holds, it is taken or refused, and no problem repeats a secret', () => {
  fc.assert(
    fc.property(fc.oneof(planted.document, planted.value), (document) => {
      const result = parseSettings(document, environment)

      if (result.kind === 'settings') return
      assert.notEqual(result.problems.length, 0)
      for (const problem of result.problems) assert.equal(problem.includes(secret), false, problem)
    }),
    { numRuns: 1000 }
  )
})

test('a document of the right shape with a secret in any one place repeats it nowhere', () => {
  const places: readonly unknown[] = [
    { connectionString: secret },
    { connectionString: connectionString.replace('layer4', secret) },
    { mode: secret },
    { repositories: [secret] },
    { sync: { schedule: secret, window: secret } },
    { clientTokens: [{ ...token, name: secret }] },
    { clientTokens: [{ ...token, status: secret }] },
    { clientTokens: [{ ...token, passwords: [{ hash: secret, expiry: secret }] }] },
    { clientTokens: [{ ...token, passwords: [secret] }] },
    { clientTokens: [{ ...token, actions: [`repositories/${secret}`, secret] }] },
    { logLevel: secret },
    { [secret]: 1, sync: { [secret]: secret }, clientTokens: [{ ...token, [secret]: secret }] }
  ]

  for (const document of places) {
    if (problems(document).length === 0) assert.deepEqual(document, places[1])
    assert.equal(problems(document).join().includes(secret), false, problems(document).join())
  }
})

test('a repository may come with rules for its tags and platforms', () => {
  const rules = { glob: 'v1.*', regex: 'v\\d+', semver: '>=1 <2', newest: 3 }
  const document = { repositories: ['demo/*', { name: 'demo/app', tags: rules, platforms: ['linux/arm64'] }] }

  const result = parseSettings(document, {})

  const { glob, ...others } = rules
  assert.deepEqual(result, {
    kind: 'settings',
    settings: {
      repositories: [
        { kind: 'below', prefix: 'demo/' },
        {
          kind: 'one',
          repository: 'demo/app',
          rules: { tags: { globs: [glob], ...others }, platforms: [{ os: 'linux', architecture: 'arm64' }] }
        }
      ]
    }
  })
})

for (const [entry, problem] of [
  [7, 'repositories.0: Invalid input: expected string, received number'],
  [{ tags: { newest: 1 } }, 'repositories.0.name: Invalid input: expected string, received undefined'],
  [{ name: 'Demo' }, 'repositories.0.name: is neither a repository name (lower case) nor a pattern such as prefix/*'],
  [{ name: 'a', tags: {} }, 'repositories.0.tags: names no rule: glob, regex, semver or newest'],
  [
    { name: 'a', tags: { regex: '(a+)\\1' } },
    'repositories.0.tags.regex: is no regular expression that is supported: \\1 is not supported at 7'
  ],
  [
    { name: 'a', tags: { regex: '('.repeat(129) } },
    'repositories.0.tags.regex: Too big: expected string to have <=128 characters'
  ],
  [
    { name: 'a', tags: { semver: '?'.repeat(129) } },
    'repositories.0.tags.semver: Too big: expected string to have <=128 characters'
  ],
  [{ name: 'a', tags: { glob: 'a/b' } }, 'repositories.0.tags.glob.0: is no pattern of a tag, such as v1.*'],
  [{ name: 'a', tags: { semver: 'one' } }, 'repositories.0.tags.semver: is no range of versions, such as >=1.2 <2'],
  [{ name: 'a', platforms: ['arm64'] }, 'repositories.0.platforms.0: is no platform, such as linux/arm64'],
  [{ name: 'a', platform: 'linux/arm64' }, 'repositories.0.platform: unknown setting']
] as const)
  test(`repositories: ${JSON.stringify(entry)} is refused and the problem is named`, () => {
    assert.deepEqual(parseSettings({ repositories: [entry] }, {}), { kind: 'refused', problems: [problem] })
  })
