import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createActivations } from '../../modules/connected-registry/src/children/activations.ts'
import { openStore } from '../../modules/connected-registry/src/store.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, below, childEntry, openLayer } from './layers.ts'

const site = { name: 'layer-4', password: 'four=password/+' }

test('a second instance of a name is told so, and has the name once it was freed', async (t) => {
  const clientTokens = [await aClient()]
  const children = [await childEntry(site)]
  const settings = { mode: 'ReadWrite', clientTokens, repositories: ['plant/a', 'plant/b'], children }
  const upper = await openLayer(t, { settings })
  const [base, news] = [anImage({ seed: 'base' }), anImage({ seed: 'news' })]
  await upper.push('plant/a', base, 'base')
  const first = await openLayer(t, { settings: below(upper.host, site) })
  await first.line(({ following }) => following === true)
  const second = await openLayer(t, { settings: { ...below(upper.host, site), clientTokens } })
  const codes = async () => (await second.status()).statusDetails.map(({ code }) => code)

  await second.until(async () => (await codes()).includes('ALREADY_ACTIVATED'))
  await upper.stop()
  const store = await openStore(upper.dataVolume)
  await createActivations(store.records, () => new Date()).deactivate(site.name)
  await store.close()
  const again = await openLayer(t, { settings, dataVolume: upper.dataVolume, port: upper.port })

  await second.line(({ following }) => following === true)
  await second.until(async () => !(await codes()).includes('ALREADY_ACTIVATED'))
  // The first one still runs and serves what it has; it does not come back, and gets nothing any more.
  await first.line(({ msg, code }) => msg === 'status detail appeared' && code === 'DEACTIVATED')
  await again.push('plant/a', news, 'news')
  await second.until(async () => (await second.tag('plant/a', 'news')) !== undefined)
  const from = first.lines.length
  await first.configure({ repositories: ['plant/a'] })
  await first.line(({ msg, code }) => msg === 'iteration failed' && code === 'DEACTIVATED', from)
  assert.deepEqual(
    [await first.tag('plant/a', 'base'), await first.tag('plant/a', 'news')],
    [base.manifest.descriptor.digest, undefined]
  )
})
