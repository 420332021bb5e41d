import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patienceMs, repositories, startPlant } from './plant.ts'

test('the first sync goes from the top to the bottom, where each layer reaches nothing but the door of the one above', async (t) => {
  const plant = await startPlant(t, { link: { delayMs: 20, bytesPerSecond: 8_000_000 } })
  if (!plant) return
  const { cloud, layers, network } = plant
  const [top, middle, bottom] = layers

  for (const [from, to, port] of [
    [bottom, 'layer5', 8000],
    [bottom, 'cloud', 5000],
    [middle, 'cloud', 5000]
  ] as const) {
    assert.match((await from.refusal(network.address(to), port)) ?? 'reached', /ENETUNREACH|EHOSTUNREACH/)
  }
  const digest = await cloud.put('plant/line', '1.0', { seed: 'large', layers: 2, layerSize: 2_000_000 })
  await top.invoke('sync')
  const tags = await cloud.tags('plant/line')
  assert.equal(tags['1.0'], digest)
  for (const layer of layers) await layer.untilTags('plant/line', tags, patienceMs)
  // Each link carried it once, as each layer keeps it for the ones below.
  for (const { above } of layers) {
    const { down } = await above.traffic()
    assert.ok(down > 4_000_000 && down < 12_000_000, `${down} bytes`)
  }
  assert.deepEqual(Object.keys((await bottom.content(repositories))['demo/app']?.tags ?? {}), ['1.0'])
  await plant.agrees()
})
