import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../fixtures/push-image.ts'
import { connectionString } from '../simulators/world.ts'
import { client, clientToken, runApp } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'

const authorization = basicAuthorization(client.name, client.password)
const all = ['content/read', 'content/write', 'metadata/read'].map((action) => `repositories/*/${action}`)

for (const [about, document] of [
  ['is not JSON', '{"mode":"ReadWrite"'],
  ['has one wrong value', '{"mode":"ReadWrite","logLevel":"Info"}']
] as const)
  test(`a settings file that ${about} at a restart costs nothing of what clients pushed`, async (t) => {
    const settingsFile = join(await temporaryFolder(), 'settings.json')
    const dataVolume = await temporaryFolder()
    const settings = {
      connectionString: connectionString({ name: 'siteregistry', password: 'x' }, 'localhost:1'),
      repositories: ['demo/app'],
      clientTokens: [await clientToken({ actions: all })]
    }
    await writeFile(settingsFile, '{"mode":"ReadWrite"}')
    const first = await runApp(t, { settings, settingsFile, dataVolume })
    const url = `http://127.0.0.1:${first.port}`
    await pushImage(anImage(), { url, repository: 'mine/tool', tag: '1.0', authorization })
    await first.stop()

    await writeFile(settingsFile, document)
    const second = await runApp(t, { settings, settingsFile, dataVolume })
    const { statusDetails } = await second.status()
    await writeFile(settingsFile, '{"mode":"ReadWrite"}')
    await second.line(({ msg, code }) => msg === 'status detail went away' && code === 'SETTINGS_AWAITED')

    assert.equal(
      statusDetails.some(({ code }) => code === 'SETTINGS_AWAITED'),
      true
    )
    assert.equal((await second.get('/v2/mine/tool/manifests/1.0')).status, 200)
    assert.equal(
      second.lines.some(({ msg }) => msg.includes('left the scope')),
      false
    )
  })

test('while the only source of client tokens is refused, who is not known is not told that a login is wrong', async (t) => {
  const settingsFile = join(await temporaryFolder(), 'settings.json')
  await writeFile(settingsFile, '{"clientTokens": [')
  const app = await runApp(t, { settingsFile })

  const unknown = basicAuthorization('somebody', 'maybe right')
  const before = await app.get('/v2/', unknown)
  await writeFile(settingsFile, JSON.stringify({ clientTokens: [] }))
  await app.line(({ msg, code }) => msg === 'status detail went away' && code === 'SETTINGS_REFUSED')
  const after = await app.get('/v2/', unknown)

  assert.deepEqual([before.status, after.status], [503, 401])
})
