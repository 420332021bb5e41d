import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Contender, type OurContender, ours, startOurs } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { applyLoad } from './load.ts'
import { createManifestPulls, readers } from './manifest-pulls.ts'
import { aBlob, anImage, deleteManifest, pushImage } from './registry-client.ts'
import { median } from './report.ts'

const repository = 'bench/garbage'
const hourMs = 3_600_000
const minuteMs = 60_000
const windows = 3

/**
 * How much longer the slowest of a hundred pulls of a manifest takes while garbage is collected, of this registry alone: the others
 * do that while they stand still. What was deleted waits for an hour at least, so that is done by a clock that is behind.
 */
export async function measureGarbage(folder: string, scale: Scale): Promise<readonly Fact[]> {
  const place = join(folder, 'garbage')
  const before = await startOurs(place, { clockBehindMs: 2 * hourMs })
  await leaveGarbage(before, scale.garbage).finally(() => before.stop())
  const contender = await startOurs(place, { garbageCollection: { schedule: '* * * * *', grace: 'PT1H' } })
  try {
    return await measure(contender, scale)
  } finally {
    await contender.stop()
  }
}

async function measure(contender: OurContender, scale: Scale): Promise<readonly Fact[]> {
  const pullManifests = await createManifestPulls(contender, scale)
  const pullInWindows = async () => {
    const measured: number[] = []
    for (let window = 0; window < windows; window++) measured.push(await pullManifests())
    return median(measured)
  }
  const idle = await pullInWindows()
  const ended = contender.logged('garbage collected').then(() => performance.now())
  await pause(minuteMs - (Date.now() % minuteMs))
  const busy = await pullInWindows()
  const seenMs = performance.now()
  if ((await ended) < seenMs) throw new Error('the collection ended before the pulls did: leave more garbage')
  return [
    { work: `manifest GET p99, ${readers} connections, idle before it`, unit: 'ms', values: { [ours]: idle } },
    {
      work: `manifest GET p99, ${readers} connections, during garbage collection`,
      unit: 'ms',
      values: { [ours]: busy }
    },
    {
      work: 'manifest GET p99, during garbage collection over idle',
      unit: 'x',
      values: { [ours]: busy / idle },
      limit: 3
    }
  ]
}

/** So many images with a blob each, pushed and deleted. */
async function leaveGarbage(contender: Contender, count: number): Promise<void> {
  const authorization = await contender.authorize(repository)
  await applyLoad({
    port: contender.port,
    connections: 8,
    operations: count,
    async operation(connection, index) {
      const target = { connection, repository, authorization }
      const image = anImage(aBlob(1024))
      await pushImage(target, image, `v${index}`)
      await deleteManifest(target, image)
      return 1
    }
  })
}
