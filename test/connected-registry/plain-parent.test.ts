import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import { connectionString } from '../simulators/world.ts'
import { runApp } from './running-app.ts'
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
