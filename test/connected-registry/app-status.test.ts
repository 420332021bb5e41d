import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { client, clientToken, runApp } from './running-app.ts'

test('GET /status names repositories and tokens to whoever may read all of them, and to nobody else', async (t) => {
  const narrow = await clientToken({ name: 'narrow', actions: ['repositories/demo/*/content/read'] })
  const settings = { clientTokens: [await clientToken(), narrow], repositories: ['secret/app'] }
  const app = await runApp(t, { settings })

  const whole = await app.get('/status')
  const outline = await app.get('/status', basicAuthorization('narrow', client.password))

  assert.match(whole.text, /"clientTokens":\[\{"name":"line-1"/)
  assert.deepEqual([whole.status, outline.status], [200, 200])
  const { version, connectionState, mode, sync, ...rest } = JSON.parse(outline.text)
  assert.ok(version && connectionState && sync)
  assert.deepEqual([mode, rest], ['ReadOnly', {}])
  assert.doesNotMatch(outline.text, /secret|line-1|narrow|instanceId/)
})
