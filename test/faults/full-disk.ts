import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { openCloud } from '../connected-registry/sync/parents.ts'
import { anImage, anIndex, aReferrer } from '../fixtures/image-builder.ts'
import { assertRecovery, openDurableSite } from './durable-site.ts'
import { createFullDisk } from './failing-store.ts'

const repositories = ['plant/a', 'plant/b']
const index = anIndex([anImage({ seed: 'one' }), anImage({ seed: 'two', layerSize: 100_000 })])

async function openWorld(t: TestContext) {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  cloud.contents.put('plant/a', index, 'latest')
  cloud.contents.put('plant/a', aReferrer(index, { artifactType: 'application/vnd.example.sbom' }))
  cloud.contents.put('plant/b', index.children[1]!, '1.0')
  const disk = createFullDisk()
  const durable = await openDurableSite(t, connection, repositories, { medium: disk.medium })
  return { cloud, disk, durable }
}

/** How many writes a sync of everything takes. */
export async function countWrites(t: TestContext): Promise<number> {
  const { disk, durable } = await openWorld(t)
  disk.fillAt(Number.POSITIVE_INFINITY)
  await durable.site.sync()
  return disk.writes
}

/** The disk is full from this write of a first sync on. */
export async function surviveFullDisk(t: TestContext, write: number): Promise<void> {
  const { cloud, disk, durable } = await openWorld(t)
  disk.fillAt(write)
  await durable.site.sync()
  const codes = new Set(durable.site.codes())
  assert.ok(codes.size === 0 || codes.has('DiskError'), [...codes].join())

  disk.free()
  await assertRecovery(durable, cloud)
}
