import type { Writer } from './workload.ts'

/** Steps of each writer that the lines `<writer> <count>` say are done. */
export function acknowledgedIn(lines: readonly string[], workload: readonly Writer[]): readonly number[] {
  const counts = workload.map(() => 0)
  for (const line of lines) {
    const [writer = 0, count = 0] = line.split(' ').map(Number)
    counts[writer] = count
  }
  return counts
}
