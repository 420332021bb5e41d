import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectionString } from '../simulators/world.ts'
import { syncToken } from './edge-site.ts'
import { clientToken, runApp } from './running-app.ts'
import { aSimulatedDevice, moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

test('a registry whose parent cannot be reached is ready', async (t) => {
  const settings = { connectionString: connectionString(syncToken, '127.0.0.1:1'), repositories: ['demo/app'] }
  const app = await runApp(t, { settings })
  await app.line(({ msg }) => msg === 'iteration ended')

  const { status, text } = await app.get('/readyz', '')

  assert.equal((await app.status()).connectionState, 'Offline')
  assert.deepEqual([status, JSON.parse(text)], [200, { ready: true }])
})

test('without a usable data volume it is alive and not ready, until the volume is there', async (t) => {
  const file = join(await temporaryFolder(), 'file')
  await writeFile(file, '')
  const app = await runApp(t, { dataVolume: join(file, 'data') })

  const { status, text } = await app.get('/readyz', '')

  assert.deepEqual([status, JSON.parse(text).reasons[0].code], [503, 'DiskError'])
  assert.doesNotMatch(text, new RegExp(file))
  assert.equal((await app.get('/healthz', '')).status, 200)
  await rm(file)
  await app.line(({ msg }) => msg === 'data volume opened')
  assert.equal((await app.get('/readyz', '')).status, 200)
})

test('at its first start on a device it waits for the module twin, and says so', async (t) => {
  const device = await aSimulatedDevice(t)
  await device.hub.stop()
  const app = await runApp(t, { edge: device.environment })

  const { status, text } = await app.get('/readyz', '')
  await device.hub.start()
  await device.hub.setDesired(moduleId, { clientTokens: [await clientToken()] } as never)
  await app.line(({ msg }) => msg === 'desired properties kept')

  assert.deepEqual([status, JSON.parse(text).reasons[0].code], [503, 'SETTINGS_AWAITED'])
  assert.equal((await app.get('/readyz', '')).status, 200)
})
