import type { Json } from './record-store.ts'

/** Values read last, by key, of a store that no other process changes. */
export interface KeptValues {
  /** Undefined: not kept, which says nothing of the store. */
  get(key: string): Json | undefined
  /** `size`: about how many bytes it takes. The value is frozen, for it is given to everybody who asks; it is returned. */
  keep(key: string, value: Json, size: number): Json
  /** Forgets the keys, and keeps none of them before the work has ended: until then a reader may see the old or the new. */
  during<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>
}

interface Kept {
  readonly value: Json
  readonly size: number
}

export function createKeptValues(limitBytes: number): KeptValues {
  // Two generations: what is asked for moves to the young one, and when that one is full the old one goes as a whole.
  let young = new Map<string, Kept>()
  let old = new Map<string, Kept>()
  let youngBytes = 0
  const changing = new Map<string, number>()

  function put(key: string, kept: Kept): void {
    young.set(key, kept)
    youngBytes += kept.size
    if (youngBytes <= limitBytes / 2) return
    old = young
    young = new Map()
    youngBytes = 0
  }

  function recall(key: string): Kept | undefined {
    const kept = old.get(key)
    if (kept) put(key, kept)
    return kept
  }

  function count(key: string, by: 1 | -1): void {
    const left = (changing.get(key) ?? 0) + by
    if (left === 0) changing.delete(key)
    else changing.set(key, left)
  }

  return {
    get: (key) => (young.get(key) ?? recall(key))?.value,
    keep(key, value, size) {
      if (size <= limitBytes / 2 && !changing.has(key)) put(key, { value: frozen(value), size })
      return value
    },
    async during(keys, work) {
      for (const key of keys) {
        young.delete(key)
        old.delete(key)
        count(key, 1)
      }
      try {
        return await work()
      } finally {
        for (const key of keys) count(key, -1)
      }
    }
  }
}

function frozen(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) frozen(part as Json)
  return Object.freeze(value)
}
