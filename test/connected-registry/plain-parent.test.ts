import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePorts } from '../fixtures/ports.ts'
import { createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import { connectionString } from '../simulators/world.ts'
import { type LogLine, runApp } from './running-app.ts'
import { syncToken } from './sync/parents.ts'

test('a parent that is no gateway is asked once whether it is one, by sync and the channel to it together', async (t) => {
  const actions = ['repositories/plant/app/content/read', 'repositories/plant/app/metadata/read']
  const cloud = createCloudRegistry({ tokens: [{ ...syncToken, actions }] })
  await cloud.start()
  t.after(() => cloud.stop())
  const settings = {
    connectionString: connectionString(syncToken, cloud.loginServer, 'http'),
    repositories: ['plant/app']
  }

  const app = await runApp(t, { settings })
  await app.line(({ msg }) => msg === 'iteration ended')

  assert.equal(cloud.requests.filter(({ url }) => url === '/acr/gateway/v1').length, 1)
})

test('of a parent that is away the log says once that it could not be asked, and of no gateway that was lost', async (t) => {
  const [port] = await freePorts(1)
  const settings = {
    connectionString: connectionString(syncToken, `127.0.0.1:${port}`, 'http'),
    repositories: ['plant/app'],
    logLevel: 'Debug'
  }
  const gatewayPauses = { failedMs: 1, retryMs: 2 }

  const app = await runApp(t, { settings, gatewayPauses })
  const asked = ({ msg }: LogLine) => msg === 'parent not asked whether it is a connected registry'
  for (let count = 0, from = 0; count < 3; count++) from = app.lines.indexOf(await app.line(asked, from)) + 1

  const levels = app.lines.filter(asked).map(({ level }) => level)
  assert.deepEqual(levels.slice(0, 3), ['warn', 'debug', 'debug'])
  assert.ok(app.lines.every(({ msg }) => msg !== 'gateway of the parent lost'))
})
