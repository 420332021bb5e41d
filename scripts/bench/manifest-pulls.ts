import { openConnection } from './connection.ts'
import type { Contender } from './contenders.ts'
import { applyLoad, percentile } from './load.ts'
import { aBlob, anImage, pushImage, read, targetOf } from './registry-client.ts'

const repository = 'bench/latency'
export const readers = 4

/** Each call pulls one manifest for `windowMs` over `readers` connections, and resolves to the p99 in milliseconds. */
export async function createManifestPulls(contender: Contender, windowMs: number): Promise<() => Promise<number>> {
  const connection = await openConnection(contender.port)
  await pushImage(await targetOf(contender, connection, repository), anImage(aBlob(1024)), 'latest')
  connection.close()
  const authorization = await contender.authorize(repository)
  const pullManifests = async () => {
    const { latencies } = await applyLoad({
      port: contender.port,
      connections: readers,
      milliseconds: windowMs,
      operation: (connection) => read({ connection, repository, authorization }, 'GET', 'manifests/latest')
    })
    return percentile(latencies, 0.99)
  }
  // Unmeasured: the first ones pay for warming up.
  await pullManifests()
  return pullManifests
}
