import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { basicAuthorization } from '../fixtures/push-image.ts'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { anEdgeSite, type EdgeSite, syncToken } from './edge-site.ts'
import { client, clientToken } from './running-app.ts'
import { moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const stray = 'stray=Pa55-word/planted'

/** Whatever else went where it does not belong: a twin and a file that hold a password in every wrong place. */
const misplaced: readonly Section[] = [
  { connectionString: stray },
  { connectionString: `SyncTokenPassword=${stray};${stray}` },
  { mode: stray, logLevel: stray, repositories: [stray], sync: { schedule: stray, window: stray } },
  { clientTokens: [{ name: stray, passwords: [{ hash: stray }], actions: [stray] }] },
  { clientTokens: [stray], [stray.replaceAll(/\W/g, '-')]: stray }
]

/** Everything a site does, well and badly. */
async function liveThroughAll({ app, cloud, desired, desire, invoke }: EdgeSite): Promise<readonly string[]> {
  const bodies: string[] = []
  const ask = async (path: string, authorization?: string) => bodies.push((await app.get(path, authorization)).text)
  await desire({ ...desired, logLevel: 'Debug' })
  for (const document of misplaced) {
    await desire({ ...desired, ...document })
    await ask('/status')
  }
  await desire({ ...desired, logLevel: 'Debug' })

  const token = `/acr/oauth2/token?service=x&account=${client.name}&scope=repository:demo/app:pull`
  const { access_token: accessToken } = JSON.parse((await app.get(token)).text)
  await ask('/v2/demo/app/manifests/1.0', `Bearer ${accessToken}`)
  await ask('/v2/demo/app/manifests/1.0', basicAuthorization(client.name, stray))
  await ask('/v2/demo/app/manifests/1.0', `Bearer ${accessToken}${stray}`)
  await ask('/v2/demo/none/manifests/1.0')
  await ask(`/v2/demo/app/manifests/none?password=${encodeURIComponent(stray)}`)

  cloud.contents.put('demo/app', anImage({ seed: 'two' }), '2.0')
  const fault = cloud.faults.add({ route: 'data' }, { kind: 'wrong-bytes' })
  bodies.push(JSON.stringify(await invoke('sync')))
  fault.remove()
  bodies.push(JSON.stringify(await invoke('resync')))
  const wrong = connectionString({ ...syncToken, password: stray }, cloud.loginServer)
  await desire({ ...desired, logLevel: 'Debug', connectionString: wrong })
  bodies.push(JSON.stringify(await invoke('sync')))
  bodies.push(JSON.stringify(await invoke('status')))
  await cloud.stop()
  bodies.push(JSON.stringify(await invoke('sync')))
  await ask('/status')
  return [...bodies, accessToken]
}

test('no password, hash or token is in anything the system tells', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  await writeFile(settingsFile, `{ "connectionString": "SyncTokenPassword=${stray}`)
  const site = await anEdgeSite(t, { settingsFile })
  const told: string[] = []
  site.device.hub.events.on('reported', () => told.push(JSON.stringify(site.device.hub.twin(moduleId).reported)))

  const bodies = await liveThroughAll(site)
  const accessToken = bodies.at(-1)!
  await site.app.stop()

  const secrets = [
    ...[syncToken.password, client.password, stray].flatMap(spellings),
    ...(await clientToken()).passwords.map(({ hash }) => hash.split('$').at(-1)!),
    basicAuthorization(client.name, client.password).slice('Basic '.length),
    basicAuthorization(syncToken.name, syncToken.password).slice('Basic '.length),
    accessToken,
    'SharedAccessSignature',
    'PRIVATE KEY'
  ]
  const log = site.app.lines.map(({ text }) => text).join('')
  assert.match(log, /request answered/)
  assert.match(log, /parent answered/)
  for (const code of ['SETTINGS_REFUSED', 'DIGEST_MISMATCH', 'UNAUTHORIZED', 'UNREACHABLE'])
    assert.match(log, new RegExp(code))
  assert.equal(told.length > 5, true)
  for (const [where, text] of Object.entries({ log, twin: told.join(), answers: bodies.slice(0, -1).join() }))
    for (const secret of secrets) assert.equal(text.includes(secret), false, `${secret} is in the ${where}`)
  await assertOnlyStateHolds(site.app.dataVolume, [...spellings(syncToken.password), ...spellings(client.password)])
})

test('a connection string with everything wrong names nothing of its values', async (t) => {
  const wrong = connectionString({ name: 'a b', password: stray }, 'not/a host', 'ftp')
  const site = await anEdgeSite(t)

  await site.desire({ ...site.desired, connectionString: wrong })

  const { settings } = await site.app.status()
  assert.deepEqual(settings.problems, [
    'twin: connectionString: ParentGatewayEndpoint must be host[:port]',
    'twin: connectionString: ConnectedRegistryName must be 5 to 50 letters, digits, - or _',
    'twin: connectionString: SyncTokenName must be printable ASCII without spaces and colons',
    'twin: connectionString: ParentEndpointProtocol must be http or https'
  ])
})

function spellings(secret: string): readonly string[] {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')]
}

/** state.json holds the connection string, for its owner only; nothing else may. */
async function assertOnlyStateHolds(dataVolume: string, secrets: readonly string[]): Promise<void> {
  const entries = await readdir(dataVolume, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  assert.equal(files.length > 3, true)
  for (const { parentPath, name } of files) {
    if (name.startsWith('state.json')) continue
    const text = await readFile(join(parentPath, name), 'latin1')
    for (const secret of secrets) assert.equal(text.includes(secret), false, `${secret} is in ${name}`)
  }
}
