/** Numbers by chance, the same ones for the same seed (mulberry32). */
export interface Chance {
  /** From 0 up to, without, 1. */
  fraction(): number
  /** From 0 up to, without, `limit`. */
  below(limit: number): number
  pick<T>(choices: readonly T[]): T
}

export function createChance(seed: number): Chance {
  let state = seed >>> 0
  function fraction(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(fraction() * limit)
  return { fraction, below, pick: (choices) => choices[below(choices.length)]! }
}
