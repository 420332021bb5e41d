import { type Connection, openConnection } from './connection.ts'

/** What was done, and how long it took. */
export interface Load {
  /** In the unit of its line: requests, operations or MiB. */
  readonly amount: number
  readonly seconds: number
  /** Of each operation, in milliseconds, from the shortest to the longest. */
  readonly latencies: Float64Array
  /** Seconds this process computed for each second that passed: near 1 the client is what was measured. */
  readonly clientBusy: number
}

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  /** Ends after so many operations, or after so long. */
  readonly operations?: number
  readonly milliseconds?: number
  /** Or as soon as this says so. */
  readonly isOver?: () => boolean
  /** One operation; resolves to its amount. `index` counts them all. */
  readonly operation: (connection: Connection, index: number) => Promise<number>
}

/** Each connection does one operation after the other, without a pause. */
export async function applyLoad(options: LoadOptions): Promise<Load> {
  const { port, operations = Number.POSITIVE_INFINITY, milliseconds = Number.POSITIVE_INFINITY, operation } = options
  const { isOver = () => false } = options
  const connections = await Promise.all(Array.from({ length: options.connections }, () => openConnection(port)))
  const latencies: number[] = []
  let amount = 0
  let given = 0
  const before = process.cpuUsage()
  const began = performance.now()
  const until = began + milliseconds

  async function work(connection: Connection): Promise<void> {
    for (let from = began; given < operations && from < until && !isOver(); ) {
      // Read after the await: meanwhile other connections have added theirs.
      const done = await operation(connection, given++)
      amount += done
      const now = performance.now()
      latencies.push(now - from)
      from = now
    }
  }

  try {
    await Promise.all(connections.map(work))
    const seconds = (performance.now() - began) / 1000
    const { user, system } = process.cpuUsage(before)
    const clientBusy = (user + system) / 1e6 / seconds
    return { amount, seconds, latencies: new Float64Array(latencies).sort(), clientBusy }
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** `share` of 0.99: the p99. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
