import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSettingsSources } from '../../modules/connected-registry/src/settings-sources.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { anEdgeSite } from './edge-site.ts'
import { aClient } from './layers.ts'
import { client, type RunningApp, runApp } from './running-app.ts'
import { moduleId } from './simulated-device.ts'

const authorization = basicAuthorization(client.name, client.password)

function push({ port }: RunningApp, repository: string, tag: string): Promise<void> {
  return pushImage(anImage({ seed: tag }), { url: `http://127.0.0.1:${port}`, repository, tag, authorization })
}

test('edgeHub is told of what clients push, wherever it was meanwhile, and nothing where no pattern says so', async (t) => {
  const site = await anEdgeSite(t, { settings: { clientTokens: [await aClient()] } })
  const { app, device, cloud, desired } = site
  const { hub } = device
  await site.desire({ ...desired, mode: 'ReadWrite' })
  await push(app, 'demo/tool', 'untold')

  await site.desire({ ...desired, mode: 'ReadWrite', notifications: ['demo/*:*:push'] })
  await push(app, 'demo/tool', '1.0')
  const [first] = await hub.sent(1, t.signal)
  hub.cut(moduleId)
  await push(app, 'demo/tool', '2.0')
  await push(app, 'elsewhere', '2.0')
  cloud.contents.put('demo/app', anImage({ seed: 'above' }), '2.0')
  const told = await hub.sent(2, t.signal)

  const contentType = 'application/json'
  assert.deepEqual(
    { ...first, body: '', messageId: '' },
    { module: moduleId, output: 'notifications', contentType, contentEncoding: 'utf-8', body: '', messageId: '' }
  )
  const events = told.map(({ body }) => JSON.parse(body))
  assert.deepEqual(
    events.map(({ action, target, connectedregistry }) => [action, target.repository, target.tag, connectedregistry]),
    ['1.0', '2.0'].map((tag) => ['push', 'demo/tool', tag, { name: 'siteregistry' }])
  )
  assert.deepEqual(
    told.map(({ messageId }) => messageId),
    events.map(({ id }) => id)
  )
  const { settings } = (await site.reported(({ settings }) => 'notifications' in settings)) as never as {
    settings: { notifications: number }
  }
  assert.equal(settings.notifications, 1)
})

test('where there is no edgeHub to tell, the status says so', async (t) => {
  const app = await runApp(t, { settings: { notifications: ['*:*'] } })

  const { statusDetails } = await app.status()

  assert.ok(statusDetails.some(({ code }) => code === 'NOTIFICATIONS_UNSENT'))
})

test('where a source was never right, nobody knows whether it has notifications, unless a later one says so', async (t) => {
  const sources = await openSettingsSources({ settings: {}, settingsFile: undefined, environment: {} })
  t.after(sources.close)
  sources.takeParent({ notifications: ['demo'] })
  assert.equal(sources.lacksNotifications, true)

  sources.takeTwin({ notifications: [] })

  assert.equal(sources.lacksNotifications, false)
})
