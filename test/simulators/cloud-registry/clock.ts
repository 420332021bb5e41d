/** Milliseconds since the epoch. */
export type Now = () => number

/**
 * Times as ACR writes them (`2024-01-01T00:00:00.0000001Z`), each later than the one before, even where the clock
 * is not.
 */
export function createTicks(now: Now): () => string {
  let last = 0n
  return () => {
    const hundredNanoseconds = BigInt(Math.floor(now())) * 10_000n
    last = hundredNanoseconds > last ? hundredNanoseconds : last + 1n
    const seconds = new Date(Number(last / 10_000_000n) * 1000).toISOString().slice(0, 19)
    return `${seconds}.${String(last % 10_000_000n).padStart(7, '0')}Z`
  }
}
