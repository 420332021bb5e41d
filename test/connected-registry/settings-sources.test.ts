import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatRepositoryPattern } from '../../modules/connected-registry/src/protocol/repository-pattern.ts'
import { openSettingsSources, type SettingsSources } from '../../modules/connected-registry/src/settings-sources.ts'
import { aToken, connectionString, environment } from './some-settings.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

interface Opened {
  readonly sources: SettingsSources
  /** Resolves when the sources have changed so that this holds. */
  until(holds: () => boolean): Promise<void>
}

async function open(
  t: TestContext,
  { settings = {}, settingsFile }: { settings?: Readonly<Record<string, unknown>>; settingsFile?: string } = {}
): Promise<Opened> {
  const config = { settings, settingsFile, environment }
  const sources = await openSettingsSources(config, { lookMs: 10 })
  t.after(sources.close)
  const events = new EventEmitter()
  sources.onChange(() => events.emit('change'))
  return {
    sources,
    async until(holds) {
      while (!holds()) await once(events, 'change', { signal: t.signal })
    }
  }
}

function names({ current }: SettingsSources): readonly string[] {
  return current.repositories.map(formatRepositoryPattern)
}

async function aFile(content: unknown): Promise<string> {
  const path = join(await temporaryFolder(), 'settings.json')
  await writeFile(path, JSON.stringify(content))
  return path
}

test('the file wins over the environment and the twin over both, key by key', async (t) => {
  const settings = { repositories: ['environment'], logLevel: 'Debug', mode: 'ReadOnly' }
  const settingsFile = await aFile({ repositories: ['file'], sync: { schedule: '0 3 * * *', window: 'PT3H' } })
  const { sources } = await open(t, { settings, settingsFile })
  assert.deepEqual(names(sources), ['file'])

  assert.equal(sources.takeTwin({ $version: 4, repositories: ['twin'] }), true)

  assert.deepEqual(names(sources), ['twin'])
  assert.equal(sources.current.schedule.cron, '0 3 * * *')
  assert.equal(sources.current.logLevel, 'Debug')
  assert.equal(sources.twinVersion, 4)
  assert.deepEqual(sources.problems, [])
})

test('what the parent says counts where nobody else says anything, until it is taken away', async (t) => {
  const { sources } = await open(t, { settings: { logLevel: 'Debug' } })

  assert.equal(sources.takeParent({ repositories: ['parent'], logLevel: 'Error', mode: 'ReadWrite' }), true)
  assert.deepEqual(names(sources), ['parent'])
  assert.deepEqual([sources.current.logLevel, sources.current.mode], ['Debug', 'ReadWrite'])

  sources.takeParent(undefined)
  assert.deepEqual(names(sources), [])
  assert.equal(sources.current.mode, 'ReadOnly')
})

test("client tokens of the parent stand beside the twin's, which win by name", async (t) => {
  const { sources } = await open(t, {})
  const token = (name: string, verb: string) => ({ ...aToken, name, actions: [`repositories/app/content/${verb}`] })
  const known = () =>
    sources.current.clientTokens.map(({ name, scopeMap }) => [
      name,
      ...scopeMap.repositories.flatMap((one) => one.actions)
    ])

  sources.takeParent({ clientTokens: [token('shared', 'read'), token('above', 'read')] })
  assert.deepEqual(known(), [
    ['shared', 'content/read'],
    ['above', 'content/read']
  ])
  sources.takeTwin({ $version: 2, clientTokens: [token('Shared', 'write')] })
  assert.deepEqual(known(), [
    ['Shared', 'content/write'],
    ['above', 'content/read']
  ])

  sources.takeParent({ clientTokens: [] })
  assert.deepEqual(known(), [['Shared', 'content/write']])
})

test('a parent must not say who the parent is, and what it says wrong is refused whole', async (t) => {
  const { sources } = await open(t, {})

  assert.equal(sources.takeParent({ repositories: ['parent'], connectionString }), false)
  assert.deepEqual(sources.problems, [{ source: 'parent', problem: 'connectionString: a parent must not set it' }])
  assert.equal(sources.isIncomplete, true)

  sources.takeParent({ repositories: ['parent'] })
  assert.equal(sources.takeParent({ repositories: ['other'], mode: 'Mirror' }), false)
  assert.deepEqual(names(sources), ['parent'])
  assert.equal(sources.isIncomplete, false)
})

test('where the environment names the parent and nobody says who the clients are, the parent proves them', async (t) => {
  const { sources } = await open(t, { settings: { connectionString } })
  const anyName = [{ kind: 'prefix', prefix: '' }]
  assert.deepEqual(sources.current.delegatedNames, anyName)

  sources.takeTwin({ $version: 1 })
  assert.deepEqual(sources.current.delegatedNames, anyName)

  sources.takeTwin({ $version: 2, clientTokens: [] })
  assert.deepEqual(sources.current.delegatedNames, [])
})

test('no client is proved by the parent unasked where a source that may say who they are is wrong, or where the twin names the parent', async (t) => {
  const { sources: refused } = await open(t, { settings: { connectionString } })
  const { sources: ofTwin } = await open(t)

  refused.takeTwin({ $version: 1, clientTokens: 'line-1' })
  ofTwin.takeTwin({ $version: 1, connectionString })

  assert.deepEqual(refused.current.delegatedNames, [])
  assert.deepEqual(ofTwin.current.delegatedNames, [])
})

test('what the twin no longer says is said by the file again', async (t) => {
  const { sources } = await open(t, { settingsFile: await aFile({ repositories: ['file'] }) })
  sources.takeTwin({ $version: 2, repositories: ['twin'] })

  sources.takeTwin({ $version: 3 })

  assert.deepEqual(names(sources), ['file'])
})

test('a wrong twin counts for nothing and is named until a right one comes', async (t) => {
  const { sources } = await open(t)
  sources.takeTwin({ $version: 2, repositories: ['good'] })

  assert.equal(sources.takeTwin({ $version: 3, repositories: ['better'], mode: 'Mirror', logLevel: 'Loud' }), false)

  assert.deepEqual(names(sources), ['good'])
  assert.deepEqual([sources.twinVersion, sources.refusedTwinVersion], [2, 3])
  assert.deepEqual(
    sources.problems.map(({ source, problem }) => `${source} ${problem.split(':')[0]}`),
    ['twin mode', 'twin logLevel']
  )
  sources.takeTwin({ $version: 4, repositories: ['better'] })
  assert.deepEqual([names(sources), sources.twinVersion, sources.problems], [['better'], 4, []])
  assert.equal(sources.refusedTwinVersion, undefined)
})

test('a wrong environment and a wrong file are named beside each other, and the twin still counts', async (t) => {
  const settingsFile = await aFile({ mode: 'x' })
  const { sources } = await open(t, { settings: { connectionString: 'x', repositories: ['env'] }, settingsFile })

  sources.takeTwin({ $version: 2, connectionString: connectionString.replace('$PARENT', 'parent') })

  assert.deepEqual(new Set(sources.problems.map(({ source }) => source)), new Set(['environment', 'file']))
  assert.equal(sources.current.connection?.loginServer, 'parent:8000')
  assert.deepEqual(names(sources), [], 'the environment is refused whole')
})

test('the last twin counts after a restart, until the twin itself is heard', async (t) => {
  const { sources } = await open(t, { settings: { repositories: ['environment'] } })

  sources.recallTwin({ $version: 7, repositories: ['last'] })
  assert.deepEqual([names(sources), sources.twinVersion], [['last'], 7])
  sources.takeTwin({ $version: 8, repositories: ['next'] })
  sources.recallTwin({ $version: 7, repositories: ['last'] })

  assert.deepEqual([names(sources), sources.twinVersion], [['next'], 8])
})

test('the last twin does not settle what is wrong with the one that came meanwhile', async (t) => {
  const { sources } = await open(t)
  sources.takeTwin({ $version: 8, mode: 'Mirror' })
  const told: number[] = []
  sources.onChange(() => told.push(sources.problems.length))

  sources.recallTwin({ $version: 7, repositories: ['last'] })

  assert.deepEqual(names(sources), ['last'])
  assert.deepEqual(told, [1])
})

test('a file that is written again is read again, wrong ones are named and change nothing', async (t) => {
  const settingsFile = await aFile({ repositories: ['one'] })
  const { sources, until } = await open(t, { settingsFile })

  await writeFile(settingsFile, JSON.stringify({ repositories: ['two'] }))
  await until(() => names(sources)[0] === 'two')
  await writeFile(settingsFile, JSON.stringify({ repositories: 'three' }))
  await until(() => sources.problems.length > 0)

  assert.deepEqual(names(sources), ['two'])
  assert.match(sources.problems[0]!.problem, /^repositories: /)
  await writeFile(settingsFile, JSON.stringify({ repositories: ['two'] }))
  await until(() => sources.problems.length === 0)
})

test('a file that is renamed into place is read, as is one behind a link that moves', async (t) => {
  const settingsFile = await aFile({ repositories: ['one'] })
  const { sources, until } = await open(t, { settingsFile })
  const other = await aFile({ repositories: ['two'] })

  await rename(other, settingsFile)
  await until(() => names(sources)[0] === 'two')
  const link = `${settingsFile}.link`
  await symlink(await aFile({ repositories: ['three'] }), link)
  await rename(link, settingsFile)
  await until(() => names(sources)[0] === 'three')
})

test('a file may come late, go and come back', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  const { sources, until } = await open(t, { settingsFile })
  assert.deepEqual(sources.problems, [{ source: 'file', problem: `${settingsFile} cannot be read (ENOENT)` }])

  await writeFile(settingsFile, '{"repositories":["late"]}')
  await until(() => names(sources)[0] === 'late')
  await rm(settingsFile)
  await until(() => sources.problems.length > 0)

  assert.deepEqual(names(sources), ['late'])
  await writeFile(settingsFile, '{"repositories":["back"]}')
  await until(() => names(sources)[0] === 'back' && sources.problems.length === 0)
})

test('a byte order mark does not matter', async (t) => {
  const settingsFile = await aFile({})
  await writeFile(settingsFile, '\uFEFF{ "repositories": ["windows"] }\r\n')

  const { sources } = await open(t, { settingsFile })

  assert.deepEqual([names(sources), sources.problems], [['windows'], []])
})

const notDocuments: readonly (readonly [what: string, content: string | Uint8Array, problem: RegExp])[] = [
  ['an empty file', '', /settings\.json is not JSON$/],
  ['half a file', '{"connectionString":"SyncTokenPassword=s3cret', /settings\.json is not JSON$/],
  ['bare words', 'SyncTokenPassword=s3cret', /settings\.json is not JSON$/],
  ['bytes', Buffer.from([0xff, 0xfe, 0x7b, 0x00]), /settings\.json is not JSON$/],
  ['a file of more than 16 MiB', `{"mode":"${'s3cret'.repeat(3_000_000)}"}`, /settings\.json is longer than 16 MiB$/],
  ['very deep brackets', '['.repeat(500_000), /settings\.json is not JSON$/],
  ['a list', '["s3cret"]', /expected object/],
  ['null', 'null', /expected object/]
]

for (const [what, content, expected] of notDocuments)
  test(`${what} is refused in words that repeat nothing of it`, async (t) => {
    const settingsFile = await aFile({})
    await writeFile(settingsFile, content)

    const { sources } = await open(t, { settings: { repositories: ['environment'] }, settingsFile })

    assert.deepEqual(names(sources), ['environment'])
    assert.equal(sources.problems.length, 1)
    assert.match(sources.problems[0]!.problem, expected)
    assert.doesNotMatch(sources.problems[0]!.problem, /s3cret/)
  })

test('a change is seen where neither length nor time of the file tell it: in place, and as another file', async (t) => {
  const settingsFile = await aFile({ repositories: ['one'] })
  const hourAgo = new Date(Date.now() - 3_600_000)
  await utimes(settingsFile, hourAgo, hourAgo)
  const { sources, until } = await open(t, { settingsFile })

  await writeFile(settingsFile, '{"repositories":["two"]}')
  await utimes(settingsFile, hourAgo, hourAgo)
  await until(() => names(sources)[0] === 'two')
  await writeFile(`${settingsFile}.new`, '{"repositories":["six"]}')
  await rename(`${settingsFile}.new`, settingsFile)
  await until(() => names(sources)[0] === 'six')
})

test('a folder in the place of the file is named', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  await mkdir(settingsFile)

  const { sources } = await open(t, { settingsFile })

  assert.deepEqual(sources.problems, [{ source: 'file', problem: `${settingsFile} is not a file` }])
})

test('after close nothing is read any more', async (t) => {
  const settingsFile = await aFile({ repositories: ['one'] })
  const { sources } = await open(t, { settingsFile })
  const second = await open(t, { settingsFile })

  sources.close()
  await writeFile(settingsFile, '{"repositories":["two"]}')
  await second.until(() => names(second.sources)[0] === 'two')

  assert.deepEqual(names(sources), ['one'])
})
