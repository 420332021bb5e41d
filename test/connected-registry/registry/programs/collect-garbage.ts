// Pushes, deletes and collects garbage without any grace, all at once, until it is killed: `collect-garbage.ts <data volume>`.
// Prints a line for each step that is done.
import { randomInt } from 'node:crypto'
import { createRegistry } from '../../../../modules/connected-registry/src/registry/create-registry.ts'
import { openStore } from '../../../../modules/connected-registry/src/store.ts'
import {
  actions,
  carryOut,
  createWorld,
  images,
  index,
  repositories,
  type Step,
  signature,
  tags
} from '../garbage-world.ts'

const [dataVolume = ''] = process.argv.slice(2)
const store = await openStore(dataVolume)
const policy = { graceMs: 0, untaggedAfterMs: 0, isWanted: async () => false }
const world = await createWorld(await createRegistry({ ...store, policy: () => policy }), store.blobs)

const pick = <T>(values: readonly T[]): T => values[randomInt(values.length)]!

function nextStep(): Step {
  const action = pick(actions)
  // What an index names stays, or the index would not be whole.
  const image = action === 'remove' ? pick([index, signature]) : randomInt(images.length)
  return { action, repository: pick(repositories), image, tag: pick([...tags, undefined]) }
}

async function workOn(next: () => Step): Promise<never> {
  while (true) {
    const step = next()
    await carryOut(world, step)
    process.stdout.write(`${step.action}\n`)
  }
}

const collect = (): Step => ({ action: 'collect', repository: 'app', image: 0, tag: undefined })
await Promise.all([workOn(collect), ...Array.from({ length: 5 }, () => workOn(nextStep))])
