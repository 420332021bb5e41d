import { join } from 'node:path'
import { type Contender, ours, startOurs } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { createManifestPulls, readers } from './manifest-pulls.ts'
import { startPushing } from './pushing.ts'
import { median } from './report.ts'

const pushed = 'bench/latency-pushes'

/** p99 in milliseconds without and with pushes; MiB a second pushed meanwhile. */
interface Round {
  readonly idle: number
  readonly busy: number
  readonly rate: number
}

/**
 * How much longer the slowest of a hundred pulls of a manifest takes while others push as fast as they can. To be read beside it: the
 * same pulls from another of our registries, to which nobody pushes, on the same processors. Faster no registry could be here.
 */
export async function measureLatency(
  contenders: readonly Contender[],
  folder: string,
  scale: Scale
): Promise<readonly Fact[]> {
  const measured = new Map<string, readonly Round[]>()
  for (const contender of contenders) measured.set(contender.name, await measure(contender, contender, scale))
  const control = await measureControl(contenders, folder, scale)
  const values = (figure: (round: Round) => number) =>
    Object.fromEntries([...measured].map(([name, rounds]) => [name, median(rounds.map(figure))]))
  return [
    { work: `manifest GET p99, ${readers} connections, idle`, unit: 'ms', values: values(({ idle }) => idle) },
    { work: `manifest GET p99, ${readers} connections, during pushes`, unit: 'ms', values: values(({ busy }) => busy) },
    { work: '  pushed meanwhile', unit: 'MiB/s', values: values(({ rate }) => rate) },
    {
      work: 'manifest GET p99, during pushes over idle',
      unit: 'x',
      values: values(({ idle, busy }) => busy / idle),
      limit: 3
    },
    {
      work: '  the same, pulled from one to which nobody pushes',
      unit: 'x',
      values: { [ours]: median(control.map(({ idle, busy }) => busy / idle)) }
    }
  ]
}

async function measureControl(
  contenders: readonly Contender[],
  folder: string,
  scale: Scale
): Promise<readonly Round[]> {
  const pushedTo = contenders.find(({ name }) => name === ours)
  if (!pushedTo) return []
  const control = await startOurs(join(folder, 'latency-control'))
  try {
    return await measure(control, pushedTo, scale)
  } finally {
    await control.stop()
  }
}

async function measure(pulledFrom: Contender, pushedTo: Contender, scale: Scale): Promise<readonly Round[]> {
  const pullManifests = await createManifestPulls(pulledFrom, scale.requestMs * 2)
  const rounds: Round[] = []
  for (let round = 0; round < scale.rounds; round++) {
    const idle = await pullManifests()
    const pushing = await startPushing(pushedTo, pushed)
    let rate = 0
    const busy = await pullManifests().finally(async () => {
      rate = await pushing.stop()
    })
    rounds.push({ idle, busy, rate })
  }
  return rounds
}
