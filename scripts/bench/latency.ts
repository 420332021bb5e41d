import { openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { applyLoad, percentile } from './load.ts'
import { aBlob, anImage, pushImage, pushWhole, read, targetOf } from './registry-client.ts'
import { median } from './report.ts'

const repository = 'bench/latency'
const pushed = 'bench/latency-pushes'
const pushSize = 16 * 1024 * 1024
const pushers = 2
const readers = 4

/** How much longer the slowest of a hundred pulls of a manifest takes while others push as fast as they can. */
export async function measureLatency(contenders: readonly Contender[], scale: Scale): Promise<readonly Fact[]> {
  const idle: Record<string, number> = {}
  const busy: Record<string, number> = {}
  const ratio: Record<string, number> = {}
  for (const contender of contenders) {
    const pairs = await measure(contender, scale)
    idle[contender.name] = median(pairs.map(([first]) => first))
    busy[contender.name] = median(pairs.map(([, second]) => second))
    ratio[contender.name] = median(pairs.map(([first, second]) => second / first))
  }
  return [
    { work: `manifest GET p99, ${readers} connections, idle`, unit: 'ms', values: idle },
    { work: `manifest GET p99, ${readers} connections, during pushes`, unit: 'ms', values: busy },
    { work: 'manifest GET p99, during pushes over idle', unit: 'x', values: ratio, limit: 3 }
  ]
}

/** Pairs of p99 in milliseconds: idle, then during pushes. */
async function measure(contender: Contender, { rounds, requestMs }: Scale): Promise<(readonly [number, number])[]> {
  const image = anImage(aBlob(1024))
  const connection = await openConnection(contender.port)
  await pushImage(await targetOf(contender, connection, repository), image, 'latest')
  connection.close()
  const authorization = await contender.authorize(repository)
  const pairs: (readonly [number, number])[] = []
  for (let round = 0; round < rounds; round++) {
    const idle = await readManifests()
    const stop = await startPushes(contender)
    const busy = await readManifests().finally(stop)
    pairs.push([idle, busy])
  }
  return pairs

  async function readManifests(): Promise<number> {
    const { latencies } = await applyLoad({
      port: contender.port,
      connections: readers,
      milliseconds: requestMs * 2,
      operation: (connection) => read({ connection, repository, authorization }, 'GET', 'manifests/latest')
    })
    return percentile(latencies, 0.99)
  }
}

/** Resolves once the first bytes are on their way. */
async function startPushes(contender: Contender): Promise<() => Promise<void>> {
  const authorization = await contender.authorize(pushed)
  const blobs = Array.from({ length: 8 }, () => aBlob(pushSize))
  let ended = false
  const pushes = Array.from({ length: pushers }, async (_, pusher) => {
    const connection = await openConnection(contender.port)
    for (let turn = pusher; !ended; turn += pushers) {
      await pushWhole({ connection, repository: pushed, authorization }, blobs[turn % blobs.length]!)
    }
    connection.close()
  })
  return async () => {
    ended = true
    await Promise.all(pushes)
  }
}
