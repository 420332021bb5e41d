import { openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import { firstInLine } from './first-in-line.ts'
import { applyLoad, type LoadOptions, percentile } from './load.ts'
import { aBlob, anImage, pushImage, read, targetOf } from './registry-client.ts'

const repository = 'bench/latency'
/** One site's puller; some at once; as many as the first table's pulls of manifests have. */
export const loads = [1, 4, 32] as const

export type PullManifests = (connections: (typeof loads)[number]) => Promise<number>

/** Each call pulls one manifest for `windowMs` over so many connections, and resolves to the p99 in milliseconds. */
export async function createManifestPulls(contender: Contender, windowMs: number): Promise<PullManifests> {
  const connection = await openConnection(contender.port)
  await pushImage(await targetOf(contender, connection, repository), anImage(aBlob(1024)), 'latest')
  connection.close()
  const authorization = await contender.authorize(repository)
  const pullManifests: PullManifests = async (connections) => {
    const { p99 } = await latencyOf({
      port: contender.port,
      connections,
      milliseconds: windowMs,
      operation: (connection) => read({ connection, repository, authorization }, 'GET', 'manifests/latest')
    })
    return p99
  }
  // Unmeasured: the first ones pay for warming up.
  for (const connections of loads) await pullManifests(connections)
  return pullManifests
}

/** p99 in milliseconds, and of how many. */
export interface Latency {
  readonly p99: number
  readonly count: number
}

export async function latencyOf(options: LoadOptions): Promise<Latency> {
  const { latencies } = await firstInLine(() => applyLoad(options))
  return { p99: percentile(latencies, 0.99), count: latencies.length }
}

export function loadNamed(connections: number): string {
  return connections === 1 ? '1 connection' : `${connections} connections`
}
