import assert from 'node:assert/strict'
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { anEdgeSite } from './edge-site.ts'
import { type RunningApp, runApp } from './running-app.ts'
import { moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const codes = async (app: RunningApp) => (await app.status()).statusDetails.map(({ code }) => code)

/** A path below a regular file: nobody can write there, whoever runs the test. */
async function unusableVolume(): Promise<{ file: string; dataVolume: string }> {
  const file = join(await temporaryFolder(), 'file')
  await writeFile(file, '')
  return { file, dataVolume: join(file, 'data') }
}

const contentPaths = [
  '/v2/demo/app/manifests/1.0',
  `/v2/demo/app/manifests/sha256:${'0'.repeat(64)}`,
  `/v2/demo/app/blobs/sha256:${'0'.repeat(64)}`,
  `/v2/demo/app/referrers/sha256:${'0'.repeat(64)}`,
  '/v2/demo/app/tags/list'
]

test('without a usable data volume it starts, knows its clients, and never says that content is not there', async (t) => {
  const { dataVolume } = await unusableVolume()

  const app = await runApp(t, { dataVolume })

  for (const path of contentPaths) {
    const { status, text } = await app.get(path)
    assert.equal(status, 503, path)
    assert.equal(JSON.parse(text).errors[0].code, 'UNAVAILABLE')
  }
  assert.equal((await app.get('/v2/')).status, 200)
  assert.equal((await app.get('/v2/demo/app/tags/list', '')).status, 401)
})

test('without a usable data volume nobody is told that a login is wrong which may be right', async (t) => {
  const { dataVolume } = await unusableVolume()
  const app = await runApp(t, { dataVolume })
  const tokenUrl = `http://127.0.0.1:${app.port}/acr/oauth2/token`
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'issued-before' })

  const answers = [
    await app.get('/v2/', 'Bearer issued-before'),
    await app.get('/v2/', basicAuthorization('unknown', 'here')),
    await app.get('/acr/oauth2/token', basicAuthorization('unknown', 'here')),
    await fetch(tokenUrl, { method: 'POST', body: form })
  ]

  assert.deepEqual(
    answers.map(({ status }) => status),
    [503, 503, 503, 503]
  )
  assert.equal((await app.get('/acr/oauth2/token')).status, 200)
})

test('a data volume that cannot be written is a DiskError everywhere, until it can', async (t) => {
  const { file, dataVolume } = await unusableVolume()
  const site = await anEdgeSite(t, { secure: true })
  await site.app.stop()

  const app = await runApp(t, { dataVolume, edge: site.device.environment })

  const isNamed = ({ statusDetails }: { readonly statusDetails: readonly { code: string; type: string }[] }) =>
    statusDetails?.some(({ code, type }) => code === 'DiskError' && type === 'Disk')
  await site.reported(isNamed)
  assert.equal(isNamed(await app.status()), true)
  await app.line(({ code, level, dataVolume: volume }) => code === 'DiskError' && level === 'error' && !!volume)
  const refused = await site.invoke('sync')
  assert.equal(refused.status, 409)
  assert.match(JSON.stringify(refused.payload), /DiskError/)

  await rm(file)
  await app.line(({ msg }) => msg === 'data volume opened')
  await site.reported(({ statusDetails, sync }) => statusDetails.length === 0 && sync.last?.result === 'Succeeded')
  assert.equal((await app.get('/v2/demo/app/manifests/1.0')).status, 200)
  await app.stop()
  const state = JSON.parse(await readFile(join(dataVolume, 'state.json'), 'utf8'))
  assert.equal(state.desired.$version, site.device.hub.twin(moduleId).desired.$version)
})

test('a second app on one data volume is refused, and the first one goes on', async (t) => {
  const first = await runApp(t)
  const { instanceId } = await first.status()

  const second = runApp(t, { dataVolume: first.dataVolume })

  const inUse = { code: 'STORE_IN_USE', message: /^the data volume is in use by another process: / }
  await assert.rejects(second, inUse)
  assert.equal((await first.get('/v2/demo/app/tags/list')).status, 404)
  await first.stop()
  const third = await runApp(t, { dataVolume: first.dataVolume })
  assert.equal((await third.status()).instanceId, instanceId)
})

test('an app that is stopped while it waits for its data volume lets go of everything', async (t) => {
  const { file, dataVolume } = await unusableVolume()
  const app = await runApp(t, { dataVolume, delays: { reopenMs: 1 } })
  await rm(file)

  await app.stop()

  const next = await runApp(t, { dataVolume })
  assert.equal((await codes(next)).includes('STORE_IN_USE'), false)
})

test('a port that is taken ends the start, and leaves the data volume to others', async (t) => {
  const first = await runApp(t)
  const dataVolume = await temporaryFolder()

  await assert.rejects(runApp(t, { dataVolume, port: first.port }), { code: 'EADDRINUSE' })

  assert.equal((await codes(await runApp(t, { dataVolume }))).includes('STORE_IN_USE'), false)
})

test('after a restart without any network it serves what it has, with the settings of the last twin', async (t) => {
  const site = await anEdgeSite(t)
  const before = await site.app.status()
  await Promise.all([site.app.stop(), site.cloud.stop(), site.device.hub.stop(), site.device.workload.stop()])

  const app = await runApp(t, { dataVolume: site.app.dataVolume, edge: site.device.environment })

  assert.equal((await app.get('/v2/demo/app/manifests/1.0')).status, 200)
  const status = await app.status()
  assert.equal(status.instanceId, before.instanceId)
  assert.equal(status.settings.version, before.settings.version)
  assert.equal(status.parent?.loginServer, site.cloud.loginServer)
  assert.equal((await stat(join(app.dataVolume, 'state.json'))).mode & 0o777, 0o600)
})

test('a broken state file falls back to the copy before it; nothing goes until the twin is heard', async (t) => {
  const site = await anEdgeSite(t)
  site.cloud.contents.put('demo/more', site.image, '1.0')
  await site.desire({ ...site.desired, repositories: ['demo/app', 'demo/more'] })
  await site.reported(({ repositories }) => (repositories as { complete?: number }).complete === 2)
  const { version } = (await site.app.status()).settings
  await Promise.all([site.app.stop(), site.device.hub.stop()])
  await writeFile(join(site.app.dataVolume, 'state.json'), '{ "instanceId": ')

  const app = await runApp(t, { dataVolume: site.app.dataVolume, edge: site.device.environment })

  const status = await app.status()
  assert.equal(status.settings.version, version! - 1)
  assert.deepEqual(
    status.statusDetails.map(({ code }) => code),
    ['STATE_FILE_REPLACED', 'TWIN_AWAITED']
  )
  await app.line(({ code, level }) => code === 'STATE_FILE_REPLACED' && level === 'error')
  assert.equal((await app.get('/v2/demo/more/manifests/1.0')).status, 200)
  await site.device.hub.start()
  await app.line(({ code, msg }) => code === 'TWIN_AWAITED' && msg === 'status detail went away')
  await site.invoke('sync')
  assert.equal((await app.status()).settings.version, version)
  assert.equal((await app.get('/v2/demo/more/manifests/1.0')).status, 200)
  assert.deepEqual(await codes(app), ['STATE_FILE_REPLACED'])
})

test('a lost state file costs neither the name of the instance nor its content', async (t) => {
  const site = await anEdgeSite(t)
  const { instanceId } = await site.app.status()
  await Promise.all([site.app.stop(), site.device.hub.stop()])
  for (const name of ['state.json', 'state.json.previous']) await rm(join(site.app.dataVolume, name))
  const settings = { repositories: ['other'] }

  const app = await runApp(t, { settings, dataVolume: site.app.dataVolume, edge: site.device.environment })

  assert.equal((await app.status()).instanceId, instanceId)
  assert.equal((await codes(app)).includes('STATE_FILE_REPLACED'), true)
  assert.equal((await app.get('/v2/demo/app/manifests/1.0')).status, 200)
  await site.device.hub.start()
  await app.line(({ code, msg }) => code === 'TWIN_AWAITED' && msg === 'status detail went away')
  await site.invoke('sync')
  assert.equal((await app.get('/v2/demo/app/manifests/1.0')).status, 200)
})

test('a state file that was opened to others is closed again with the next twin', async (t) => {
  const site = await anEdgeSite(t)
  const path = join(site.app.dataVolume, 'state.json')
  await chmod(path, 0o666)

  await site.desire({ ...site.desired, logLevel: 'Debug' })
  await site.app.stop()

  assert.equal((await stat(path)).mode & 0o777, 0o600)
})
