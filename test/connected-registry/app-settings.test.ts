import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashPassword } from '../../modules/connected-registry/src/access/passwords.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { anEdgeSite, syncToken } from './edge-site.ts'
import { client, clientToken, type RunningApp, runApp } from './running-app.ts'
import { moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const tag = '/v2/demo/app/manifests/1.0'

/** At once, so that nobody reads half of it. */
async function replaceFile(path: string, document: object): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(document))
  await rename(`${path}.new`, path)
}

async function accessToken(app: RunningApp, authorization?: string): Promise<string> {
  const path = '/acr/oauth2/token?service=x&scope=repository:demo/app:pull'
  return `Bearer ${JSON.parse((await app.get(path, authorization)).text).access_token}`
}

test('a client token counts from the next request on: added, disabled, with another password, removed', async (t) => {
  const site = await anEdgeSite(t)
  const { app } = site
  const other = { name: 'line-2', password: 'another=Pa55-word' }
  const basic = basicAuthorization(other.name, other.password)
  const passwords = [{ hash: await hashPassword(other.password, 12) }]
  const otherToken = async (more: Section = {}) =>
    (await clientToken({ name: other.name, passwords, ...more })) as Section
  const allow = async (...tokens: readonly Section[]) =>
    site.desire({ ...site.desired, clientTokens: [(await clientToken()) as Section, ...tokens] })
  assert.equal((await app.get(tag, basic)).status, 401)

  await allow(await otherToken())
  assert.equal((await app.get(tag, basic)).status, 200)
  const bearer = await accessToken(app, basic)
  assert.equal((await app.get(tag, bearer)).status, 200)

  await allow(await otherToken({ actions: ['repositories/demo/other/content/read'] }))
  assert.deepEqual([(await app.get(tag, basic)).status, (await app.get(tag, bearer)).status], [403, 403])

  await allow(await otherToken({ status: 'disabled' }))
  assert.deepEqual([(await app.get(tag, basic)).status, (await app.get(tag, bearer)).status], [401, 401])

  await allow(await otherToken({ passwords: [{ hash: await hashPassword('changed', 12) }] }))
  assert.deepEqual([(await app.get(tag, basic)).status, (await app.get(tag, bearer)).status], [401, 401])

  await allow(await otherToken())
  const again = await accessToken(app, basic)
  assert.equal((await app.get(tag, again)).status, 200)
  await allow()
  assert.deepEqual([(await app.get(tag, basic)).status, (await app.get(tag, again)).status], [401, 401])
})

test('a refused twin leaves the tokens of before in force', async (t) => {
  const site = await anEdgeSite(t)
  const bearer = await accessToken(site.app)

  await site.desire({ ...site.desired, clientTokens: [{ name: 'line-1' }] })

  assert.equal((await site.app.get(tag, bearer)).status, 200)
})

test('the log level is what the twin says, at once', async (t) => {
  const site = await anEdgeSite(t)
  const answered = () => site.app.lines.filter(({ msg }) => msg === 'request answered').length
  await site.pull()
  assert.equal(answered(), 0)

  await site.desire({ ...site.desired, logLevel: 'Debug' })
  await site.pull()
  await site.app.line(({ msg }) => msg === 'request answered')
  await site.desire({ ...site.desired, logLevel: 'Warning' })
  const before = answered()
  await site.pull()

  assert.equal(answered(), before)
})

test('the repositories are what the twin says: what is new arrives, what left goes', async (t) => {
  const site = await anEdgeSite(t)
  site.cloud.contents.put('demo/new', site.image, '1.0')

  await site.desire({ ...site.desired, repositories: ['demo/new'] })
  await site.invoke('sync')

  assert.equal((await site.app.get('/v2/demo/new/manifests/1.0')).status, 200)
  assert.equal((await site.app.get(tag)).status, 404)
})

test('another parent is another parent at once', async (t) => {
  const site = await anEdgeSite(t)
  const named = connectionString(syncToken, 'localhost:1')

  await site.desire({ ...site.desired, connectionString: named })

  assert.equal((await site.app.status()).parent?.loginServer, 'localhost:1')
  assert.equal(await site.pull(), 200)
})

test('changed settings are reported at once, all else waits for its time', async (t) => {
  const site = await anEdgeSite(t, { delays: { reportMs: 3_600_000 } })
  await site.desire({ ...site.desired, logLevel: 'Warning' })
  let reports = 0
  site.device.hub.events.on('reported', () => reports++)

  site.cloud.contents.put('demo/app', site.image, '2.0')
  const { payload } = await site.invoke('sync')
  const version = await site.desire({ ...site.desired, logLevel: 'Debug' })
  await site.desire({ ...site.desired, mode: 'Mirror' })

  assert.equal((payload as { removed?: number }).removed, 0, 'there was something to report')
  assert.equal(reports, 2)
  const { settings } = site.device.hub.twin(moduleId).reported as unknown as Awaited<ReturnType<RunningApp['status']>>
  assert.equal(settings.version, version)
  assert.match(settings.problems.join(), /^twin: mode: /)
})

test('a settings file counts without IoT Edge, when it is written, when it is wrong and when it is right again', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  const write = async (document: object) => {
    await replaceFile(settingsFile, document)
    return (await app.status()).settings
  }
  const app = await runApp(t, { settingsFile })
  const refused = ({ code }: Readonly<Record<string, unknown>>) => code === 'SETTINGS_REFUSED'
  await app.line(refused)

  let from = app.lines.length
  await write({ logLevel: 'Debug' })
  const gone = await app.line((line) => refused(line) && line.msg === 'status detail went away', from)
  assert.match(String(gone.description), /cannot be read/, 'of several with one code it says which')
  assert.equal((await app.status()).settings.logLevel, 'Debug')

  from = app.lines.length
  await write({ logLevel: 'Debug', mode: 'Mirror' })
  assert.match(String((await app.line(refused, from)).description), /^file: mode: is no mode/)
  const { settings } = await app.status()
  assert.deepEqual(
    [settings.logLevel, settings.problems],
    ['Debug', ['file: mode: is no mode; use ReadOnly or ReadWrite']]
  )

  from = app.lines.length
  await rm(settingsFile)
  assert.match(String((await app.line(refused, from)).description), /ENOENT/)
  assert.equal((await app.status()).settings.logLevel, 'Debug')
})

test('twenty thousand client tokens in the settings file are known, and one more is refused by its number', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  const token = await clientToken({ actions: ['repositories/plant/line/content/read'] })
  const tokens = Array.from({ length: 20_000 }, (_, at) => ({ ...token, name: `line-${at}` }))
  await writeFile(settingsFile, JSON.stringify({ clientTokens: tokens }))
  const app = await runApp(t, { settingsFile })

  assert.equal((await app.get('/v2/', basicAuthorization('line-19999', client.password))).status, 200)
  await replaceFile(settingsFile, { clientTokens: [...tokens, { ...token, name: 'one-more' }] })
  const { description } = await app.line(({ code }) => code === 'SETTINGS_REFUSED')

  assert.match(String(description), /^file: clientTokens: more than 20000 client tokens$/)
  assert.equal((await app.get('/v2/', basicAuthorization('line-1', client.password))).status, 200)
})

test('a status of its own names what is still missing before anything can be synced', async (t) => {
  const app = await runApp(t)

  const { statusDetails, connectionState } = await app.status()

  assert.deepEqual(
    statusDetails.map(({ code }) => code),
    ['NO_PARENT', 'NO_REPOSITORIES']
  )
  assert.equal(connectionState, 'Offline')
  assert.equal((await app.get('/status', basicAuthorization(client.name, 'wrong'))).status, 401)
})

test('a connection string that was refused with another setting is not told as one that nobody set', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  await writeFile(
    settingsFile,
    JSON.stringify({ connectionString: 'in order, for all that is known', mode: 'readonly' })
  )
  const app = await runApp(t, { settingsFile })

  const { description } = await app.line(({ code }) => code === 'NO_PARENT')

  assert.equal(description, 'no connection string is in force: settings were refused')
})
