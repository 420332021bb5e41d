// Carries out a workload: `work.ts <data volume> <seed> <writers> <rounds>`. Prints `<writer> <count>` when that many of its
// steps are done: what is printed has been acknowledged. The store is opened anew after each collection of garbage, so that
// starts of an old one are seen as well.
import { writeSync } from 'node:fs'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { openStore } from '../../../modules/connected-registry/src/store.ts'
import { carryOut } from '../carry-out.ts'
import { aWorkload, type Step } from '../workload.ts'

const [dataVolume = '', seed = '', writers, rounds] = process.argv.slice(2)
const workload = aWorkload(seed, { writers: Number(writers), rounds: Number(rounds) })
const done = workload.map(() => 0)

while (workload.some(({ steps }, writer) => (done[writer] ?? 0) < steps.length)) await workUntilCollected()

async function workUntilCollected(): Promise<void> {
  const store = await openStore(dataVolume)
  const registry = await createRegistry(store)
  const next = (writer: number): Step | undefined => workload[writer]?.steps[done[writer] ?? 0]
  const say = (writer: number) => {
    done[writer] = (done[writer] ?? 0) + 1
    writeSync(1, `${writer} ${done[writer]}\n`)
  }

  async function write(writer: number, repository: string): Promise<void> {
    for (let step = next(writer); step && step.kind !== 'collect garbage'; step = next(writer)) {
      await carryOut(store.blobs, registry, repository, step)
      say(writer)
    }
  }

  await Promise.all(workload.map(({ repository }, writer) => write(writer, repository)))
  const collection = next(0)
  if (collection) {
    await carryOut(store.blobs, registry, '', collection)
    for (const writer of workload.keys()) say(writer)
  }
  await store.close()
}
