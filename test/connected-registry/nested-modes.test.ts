import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../fixtures/image-builder.ts'
import { aClient, below, childEntry, type Layer, openLayer } from './layers.ts'

const site4 = { name: 'layer-4', password: 'four=password/+' }

async function describe(layer: Layer, code: string): Promise<string> {
  await layer.until(async () => (await detail(layer, code)) !== undefined)
  return (await detail(layer, code))?.description ?? ''
}

async function detail(layer: Layer, code: string) {
  return (await layer.status()).statusDetails.find((one) => one.code === code)
}

test('below a parent that becomes ReadOnly a ReadWrite site goes on, keeps what is pushed, and brings it up once that is over', async (t) => {
  const children = [await childEntry(site4, { mode: 'ReadWrite' })]
  const repositories = ['plant/a', 'plant/b']
  const clientTokens = [await aClient()]
  const settings = { mode: 'ReadWrite', repositories, clientTokens, children }
  const upper = await openLayer(t, { settings })
  await upper.push('plant/a', anImage(), 'base')
  const lower = await openLayer(t, { settings: { ...below(upper.host, site4), clientTokens } })
  await lower.line(({ following }) => following === true)
  const pushed = anImage({ seed: 'below' })

  await upper.configure({ mode: 'ReadOnly' })
  assert.match(await describe(upper, 'CHILD_READ_WRITE'), /layer-4.*'ReadWrite'.*'ReadOnly'/)
  assert.match(await describe(lower, 'PARENT_READ_ONLY'), /is ReadOnly: what is pushed here stays here/)
  await lower.push('plant/a', pushed, '1.0')
  assert.match(await describe(lower, 'CHANGE_REFUSED'), /plant\/a/)
  assert.equal((await lower.status()).mode, 'ReadWrite')
  assert.equal(await upper.tag('plant/a', '1.0'), undefined)

  await upper.configure({ mode: 'ReadWrite' })
  await lower.until(async () => (await upper.tag('plant/a', '1.0')) !== undefined)
  await lower.until(async () => (await detail(lower, 'CHANGE_REFUSED')) === undefined)

  for (const layer of [upper, lower]) {
    assert.equal(await layer.tag('plant/a', '1.0'), pushed.manifest.descriptor.digest)
    assert.equal(await detail(layer, layer === upper ? 'CHILD_READ_WRITE' : 'PARENT_READ_ONLY'), undefined)
  }
})
