import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patienceMs, startPlant } from './plant.ts'

const repository = 'plant/line'

test('the registry of the bottom layer is upgraded: it goes on where it was, and all above know its version', async (t) => {
  const plant = await startPlant(t)
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle, bottom] = layers
  await cloud.put(repository, 'large', { seed: 'large', layerSize: 3_000_000 })
  await top.invoke('sync')
  await plant.untilTags(repository, await cloud.tags(repository))
  const before = await bottom.status()
  const { down } = await bottom.above.traffic()

  await bottom.stopRegistry()
  await cloud.put(repository, 'meanwhile', { seed: 'meanwhile' })
  await top.invoke('sync')
  await middle.untilTags(repository, await cloud.tags(repository), patienceMs)
  await bottom.upgrade('9.1.0')
  await bottom.startRegistry()

  await plant.untilTags(repository, await cloud.tags(repository))
  const after = await bottom.status()
  assert.equal(after.version, '9.1.0')
  assert.notEqual(before.version, '9.1.0')
  // It is the instance that was activated, and nothing was fetched twice.
  assert.deepEqual(await bottom.logged({ code: 'ALREADY_ACTIVATED' }), [])
  assert.ok((await bottom.above.traffic()).down - down < 1_000_000)
  await top.untilVersion(['layer4', 'layer3'], '9.1.0', patienceMs)
  await plant.agrees()
})
