import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { syncToken } from './edge-site.ts'
import { aProcess } from './module-under-test.ts'
import { client, clientToken } from './running-app.ts'
import { aSimulatedDevice, moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

/** Environment with a settings file that knows the client. */
async function anEnvironment() {
  const folder = await temporaryFolder()
  const settings = join(folder, 'settings.json')
  await writeFile(settings, JSON.stringify({ clientTokens: [await clientToken()] }))
  return { ACR_REGISTRY_DATA_VOLUME: join(folder, 'data'), ACR_REGISTRY_SETTINGS: settings }
}

test('the second process on one data volume says that it is in use, and the first one goes on', async (t) => {
  const environment = await anEnvironment()
  const first = await aProcess(t, environment)
  const second = await aProcess(t, environment)
  await first.module.start()

  await second.module.start()

  const line = second.module.lines.find(({ code }) => code === 'STORE_IN_USE')
  assert.match(String(line?.reason), /in use by another process/)
  assert.equal((await second.get('/v2/demo/app/tags/list')).status, 503)
  assert.equal((await first.get('/v2/demo/app/tags/list')).status, 404)
  assert.equal(await first.module.stop(), 0)
  assert.equal(await second.module.stop(), 0)
})

test('a process that was killed comes back with its last twin, without any network', async (t) => {
  const device = await aSimulatedDevice(t)
  const environment = {
    ACR_REGISTRY_DATA_VOLUME: join(await temporaryFolder(), 'data'),
    ...device.variables
  }
  const { module, get } = await aProcess(t, environment)
  const desired = {
    clientTokens: [(await clientToken()) as Section],
    connectionString: connectionString(syncToken, '127.0.0.1:1')
  }
  const { version } = await device.hub.setDesired(moduleId, desired)
  await module.start()
  await module.line(({ msg }) => msg === 'desired properties kept', t.signal)

  await module.stop('SIGKILL')
  await Promise.all([device.hub.stop(), device.workload.stop()])
  await module.start()

  const status = (await (await get('/status')).json()) as { settings: { version: number } }
  assert.equal(status.settings.version, version)
  const commandLine = await readFile(`/proc/${module.pid}/cmdline`, 'utf8')
  assert.equal(
    [client.password, syncToken.password].some((secret) => commandLine.includes(secret)),
    false
  )
  assert.equal(
    [client.password, syncToken.password].some((secret) => JSON.stringify(module.lines).includes(secret)),
    false
  )
})
