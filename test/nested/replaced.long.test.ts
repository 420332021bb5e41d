import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { patienceMs, repositories, startPlant, stopWhole } from './plant.ts'

const repository = 'plant/line'

test('a top layer that is destroyed and rebuilt empty is filled from above, and what only those below had is not lost', async (t) => {
  const plant = await startPlant(t)
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle, bottom] = layers
  await top.above.cut()
  const before = await middle.tags(repository)
  const site = await middle.push(repository, 'site', { seed: 'site' })
  for (const layer of layers) await layer.untilTags(repository, { ...before, site }, patienceMs)

  await top.stopRegistry('SIGKILL')
  await rm(top.dataVolume, { recursive: true })
  const above = await cloud.put(repository, 'above', { seed: 'above' })
  assert.equal((await cloud.tags(repository)).site, undefined)
  await top.above.mend()
  await top.startRegistry()

  await plant.untilTags(repository, { ...before, above, site })
  assert.equal((await bottom.tags(repository)).site, site)
  await plant.agrees()
})

test('a middle layer that is rebuilt empty waits until its name is freed, empties nobody meanwhile, and is filled from above', async (t) => {
  const plant = await startPlant(t)
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle, bottom] = layers
  const before = await cloud.tags(repository)
  const site = await middle.push(repository, 'site', { seed: 'site' })
  await plant.untilTags(repository, { ...before, site })

  await middle.stopRegistry('SIGKILL')
  await rm(middle.dataVolume, { recursive: true })
  await middle.startRegistry()
  await middle.untilLogged({ msg: 'gateway of the parent', code: 'ALREADY_ACTIVATED' }, patienceMs)
  const above = await cloud.put(repository, 'above', { seed: 'above' })
  await top.invoke('sync')
  await top.untilTags(repository, { above, ...before, site }, patienceMs)
  assert.deepEqual(await bottom.tags(repository), { ...before, site })

  assert.equal((await top.invoke('deactivate', { name: 'layer4' })).status, 200)
  await middle.restartRegistry()
  await plant.untilTags(repository, { ...before, above, site })
  assert.ok((await bottom.content(repositories))[repository])
  await plant.agrees()
})

test('of two instances of one name the second is told so and gets nothing, until the operator frees the name', async (t) => {
  const plant = await startPlant(t)
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle, bottom] = layers
  const before = await cloud.tags(repository)

  const twin = await plant.startTwin()
  await twin.untilLogged({ msg: 'gateway of the parent', code: 'ALREADY_ACTIVATED' }, patienceMs)
  const first = await cloud.put(repository, 'first', { seed: 'first' })
  await top.invoke('sync')
  await bottom.untilTags(repository, { ...before, first }, patienceMs)
  // It was never configured, and says so.
  assert.equal(await twin.ask('GET', `/v2/${repository}/tags/list`), 503)

  await bottom.stopRegistry()
  assert.equal((await middle.invoke('deactivate', { name: bottom.name })).status, 200)
  assert.equal((await middle.invoke('deactivate', { name: bottom.name })).status, 404)
  await twin.restartRegistry()
  await twin.untilTags(repository, { ...before, first }, patienceMs)

  // The first one does not take the name back, and serves what it has.
  await bottom.startRegistry()
  await bottom.untilLogged({ msg: 'gateway of the parent', code: 'DEACTIVATED' }, patienceMs)
  await twin.untilFollowing(patienceMs)
  const second = await cloud.put(repository, 'second', { seed: 'second' })
  await top.invoke('sync')
  await twin.untilTags(repository, { ...before, first, second }, patienceMs)
  assert.equal((await bottom.tags(repository)).first, first)
  assert.deepEqual(await twin.content(repositories), await cloud.content(repositories))
  for (const layer of [...layers, twin]) await stopWhole(layer)
})
