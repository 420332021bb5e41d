import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { makeLogOlder } from './older-log.ts'
import { patienceMs, startPlant } from './plant.ts'

const repository = 'plant/line'

test('a layer that was cut off for longer than messages wait agrees with both sides afterwards, and no conflict is lost', async (t) => {
  const plant = await startPlant(t, { messageTtl: 'P1D' })
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle, bottom] = layers
  await cloud.put(repository, 'both', { seed: 'both' })
  await cloud.put(repository, 'gone', { seed: 'gone' })
  await top.invoke('sync')
  const before = await cloud.tags(repository)
  for (const layer of layers) await layer.untilTags(repository, before, patienceMs)
  await middle.above.cut()

  const above = await cloud.put(repository, 'above', { seed: 'above' })
  const both = await cloud.put(repository, 'both', { seed: 'both, above' })
  await cloud.untag(repository, 'gone')
  await top.invoke('sync')
  await top.untilTags(repository, await cloud.tags(repository), patienceMs)
  const below = await middle.push(repository, 'below', { seed: 'below' })
  const lost = await middle.push(repository, 'both', { seed: 'both, below' })
  await bottom.untilTags(repository, { ...before, below, both: lost }, patienceMs)
  // Together: who asks with a cursor of now where the log is older already is told that it was put back to another state.
  for (const layer of layers) await layer.stopRegistry()
  for (const layer of layers) makeLogOlder(layer.dataVolume, 2)
  for (const layer of layers) await layer.startRegistry()
  await middle.above.mend()

  const conflict = `both-conflict-layer4-${lost.slice('sha256:'.length, 'sha256:'.length + 12)}`
  const { gone: _, ...kept } = before
  await plant.untilTags(repository, { ...kept, above, below, both, [conflict]: lost })
  assert.ok((await middle.logged({ msg: 'parent answered', status: 410 })).length > 0)
  await plant.agrees()
})

test('what is pushed on both sides of a link that comes and goes for a minute arrives on the other', async (t) => {
  const plant = await startPlant(t, { link: { delayMs: 10, bytesPerSecond: 2_000_000 } })
  if (!plant) return
  const { cloud, layers } = plant
  const [top, middle] = layers

  const expected: Record<string, string> = { ...(await cloud.tags(repository)) }

  for (let turn = 0; turn < 12; turn++) {
    const [above, below] = [`above-${turn}`, `below-${turn}`]
    expected[above] = await cloud.put(repository, above, { seed: above, layerSize: 4_000_000 })
    const synced = top.invoke('sync')
    expected[below] = await middle.push(repository, below, { seed: below, layerSize: 3_000_000 })
    await synced
    await pause(2500)
    await middle.above.cut()
    await pause(2500)
    await middle.above.mend()
  }

  await plant.untilTags(repository, expected)
  await plant.agrees()
})
