import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Section } from '../simulators/edge-hub/twins.ts'
import { connectionString } from '../simulators/world.ts'
import { syncToken } from './edge-site.ts'
import { aProcess } from './module-under-test.ts'
import { client, clientToken } from './running-app.ts'
import { aSimulatedDevice, moduleId } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

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
