import { join } from 'node:path'
import { type Contender, ours, startOurs } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { createManifestPulls, loadNamed, loads } from './manifest-pulls.ts'
import { startPushing } from './pushing.ts'
import { median } from './report.ts'

const pushed = 'bench/latency-pushes'

/** p99 in milliseconds without and with pushes; MiB a second pushed meanwhile. */
interface Round {
  readonly idle: number
  readonly busy: number
  readonly rate: number
}

type Connections = (typeof loads)[number]
/** By the number of connections that pull. */
type Rounds = ReadonlyMap<Connections, Round[]>

/**
 * How much longer the slowest of a hundred pulls of a manifest takes while others push as fast as they can. To be read beside it: the
 * same pulls from another of our registries, to which nobody pushes, on the same processors. Faster no registry could be here.
 */
export async function measureLatency(
  contenders: readonly Contender[],
  folder: string,
  scale: Scale
): Promise<readonly Fact[]> {
  const measured = new Map<string, Rounds>()
  for (const contender of contenders) measured.set(contender.name, await measure(contender, contender, scale))
  const control = await measureControl(contenders, folder, scale)
  return loads.flatMap((connections) => factsOf(connections, measured, control))
}

function factsOf(connections: Connections, measured: ReadonlyMap<string, Rounds>, control: Rounds): readonly Fact[] {
  const values = (figure: (round: Round) => number, of = measured) =>
    Object.fromEntries(
      [...of].map(([name, rounds]) => [name, median((rounds.get(connections) ?? []).map(figure))] as const)
    )
  const ratio = ({ idle, busy }: Round) => busy / idle
  return [
    { work: `manifest GET p99, ${loadNamed(connections)}, idle`, unit: 'ms', values: values(({ idle }) => idle) },
    { work: '  during pushes', unit: 'ms', values: values(({ busy }) => busy) },
    { work: '  pushed meanwhile', unit: 'MiB/s', values: values(({ rate }) => rate) },
    { work: '  during pushes over idle', unit: 'x', values: values(ratio), limit: 3 },
    { work: '  from one to which nobody pushes', unit: 'x', values: values(ratio, new Map([[ours, control]])) }
  ]
}

async function measureControl(contenders: readonly Contender[], folder: string, scale: Scale): Promise<Rounds> {
  const pushedTo = contenders.find(({ name }) => name === ours)
  if (!pushedTo) return new Map()
  const control = await startOurs(join(folder, 'latency-control'))
  try {
    return await measure(control, pushedTo, scale)
  } finally {
    await control.stop()
  }
}

async function measure(pulledFrom: Contender, pushedTo: Contender, scale: Scale): Promise<Rounds> {
  const pullManifests = await createManifestPulls(pulledFrom, scale.requestMs)
  const rounds = new Map(loads.map((connections) => [connections, [] as Round[]]))
  for (let round = 0; round < scale.rounds; round++) {
    for (const [connections, done] of rounds) {
      const idle = await pullManifests(connections)
      const pushing = await startPushing(pushedTo, pushed)
      let rate = 0
      const busy = await pullManifests(connections).finally(async () => {
        rate = await pushing.stop()
      })
      done.push({ idle, busy, rate })
    }
  }
  return rounds
}
