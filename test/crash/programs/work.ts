// Carries out a workload: `work.ts <data volume> <seed> <writers> <rounds>`. Prints `<writer> <count>` when that many of its
// steps are done: what is printed has been acknowledged. Opens the store twice, so that a start of an old one is seen as well.
import { writeSync } from 'node:fs'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { openStore } from '../../../modules/connected-registry/src/store.ts'
import { carryOut } from '../carry-out.ts'
import { aWorkload } from '../workload.ts'

const [dataVolume = '', seed = '', writers, rounds] = process.argv.slice(2)
const workload = aWorkload(seed, { writers: Number(writers), rounds: Number(rounds) })

await work(0, 0.5)
await work(0.5, 1)

/** The part of every writer's steps between two fractions. */
async function work(from: number, to: number): Promise<void> {
  const store = await openStore(dataVolume)
  const registry = await createRegistry(store)
  const writing = workload.map(async ({ repository, steps }, writer) => {
    const [first, last] = [Math.floor(from * steps.length), Math.floor(to * steps.length)]
    for (const [index, step] of steps.slice(first, last).entries()) {
      await carryOut(store.blobs, registry, repository, step)
      writeSync(1, `${writer} ${first + index + 1}\n`)
    }
  })
  await Promise.all(writing)
  await store.close()
}
