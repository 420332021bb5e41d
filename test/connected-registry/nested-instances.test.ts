import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Activations, createActivations } from '../../modules/connected-registry/src/children/activations.ts'
import { openStore } from '../../modules/connected-registry/src/store.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, below, childEntry, type Layer, openLayer } from './layers.ts'

const site = { name: 'layer-4', password: 'four=password/+' }

test('a second instance of a name is told so, and has it once it was freed; the first one, once it is let in again', async (t) => {
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
  const after = async (running: Layer, act: (activations: Activations) => Promise<unknown>) => {
    await running.stop()
    const store = await openStore(upper.dataVolume)
    await act(createActivations(store.records, () => new Date()))
    await store.close()
    return openLayer(t, { settings, dataVolume: upper.dataVolume, port: upper.port })
  }
  const again = await after(upper, ({ deactivate }) => deactivate(site.name))

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

  // Let in again, it has the name and gets what it missed.
  await second.stop()
  await after(again, async ({ deactivate, readmit }) => (await deactivate(site.name)) && readmit(site.name))
  await first.line(({ msg, code }) => msg === 'status detail went away' && code === 'DEACTIVATED')
  await first.until(async () => (await first.tag('plant/a', 'news')) === news.manifest.descriptor.digest)
})
