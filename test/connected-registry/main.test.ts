import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { aProcess } from './module-under-test.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

test('an environment that cannot be used ends the process with every problem by name', async (t) => {
  const { module } = await aProcess(t, { ACR_REGISTRY_PORT: 'http', ACR_REGISTRY_LOGIN_SERVER: 'https://x' })

  await assert.rejects(module.start(), /ended with 1 before it served/)

  const text = JSON.stringify(module.lines)
  assert.match(text, /ACR_REGISTRY_PORT: is not a port; ACR_REGISTRY_LOGIN_SERVER: must be host/)
})

test('a second process on one data folder ends with the reason, and the first one goes on', async (t) => {
  const environment = { ACR_REGISTRY_DATA_VOLUME: join(await temporaryFolder(), 'data') }
  const [first, second] = [await aProcess(t, environment), await aProcess(t, environment)]
  await first.module.start()

  await assert.rejects(second.module.start(), /ended with 1 before it served/)

  assert.match(
    JSON.stringify(second.module.lines),
    /"code":"STORE_IN_USE","message":"the data volume is in use by another/
  )
  assert.equal((await first.get('/readyz')).status, 200)
  assert.equal(await first.module.stop(), 0)
})

test('without IoT Edge nothing of its SDK is loaded, without a parent no HTTP client, and nothing for metrics before they are asked for', async () => {
  const program = join(import.meta.dirname, 'programs', 'loaded-standalone.ts')

  const { stdout } = await promisify(execFile)(process.execPath, [program, join(await temporaryFolder(), 'data')])

  assert.deepEqual(JSON.parse(stdout), [])
})
