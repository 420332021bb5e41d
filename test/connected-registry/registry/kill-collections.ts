import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { dayMs } from '../../../modules/connected-registry/src/registry/garbage.ts'
import { openStore } from '../../../modules/connected-registry/src/store.ts'
import { runProgram } from '../storage/run-program.ts'
import { assertNothingElse, assertReachable } from './garbage-model.ts'

const policy = () => ({ graceMs: dayMs, untaggedAfterMs: dayMs, isWanted: async () => false })

/** After each kill everything that tags lead to is whole, and a few runs later there is nothing else. */
export async function killCollections(t: TestContext, kills: number): Promise<void> {
  const dataVolume = await mkdtemp(join(tmpdir(), 'kill-'))
  t.after(() => rm(dataVolume, { recursive: true, force: true }))
  for (let turn = 0; turn < kills; turn++) {
    const program = runProgram(t, '../../registry/programs/collect-garbage.ts', dataVolume)
    for (let lines = randomInt(20, 200); lines > 0; lines--) await program.nextLine()
    await program.kill()
    await checkStore(dataVolume)
  }
}

async function checkStore(dataVolume: string): Promise<void> {
  const store = await openStore(dataVolume)
  try {
    const open = { ...store, registry: await createRegistry({ ...store, policy }) }
    await assertReachable(open, new Set())
    // A sweep each time: content that was stored and not linked when the process died is found as well.
    for (let run = 1; run <= 4; run++) {
      await open.registry.garbage.collect({ now: new Date(Date.now() + run * 8 * dayMs) })
    }
    await assertReachable(open, new Set())
    await assertNothingElse(open)
    await forgetSweep(store)
  } finally {
    await store.close()
  }
}

/** The next process lives in the present again. */
async function forgetSweep({ records }: Awaited<ReturnType<typeof openStore>>): Promise<void> {
  await records.commit({ remove: ['garbage:swept'] })
}
