import { RegistryError } from '../protocol/errors.ts'

/** Works one at a time. `address`: who asks; undefined: who is vouched for. Throws RegistryError TOOMANYREQUESTS where there is no place. */
export type Line = <T>(address: string | undefined, work: () => Promise<T>) => Promise<T>

interface Waiting {
  begin(): void
  refuse(): void
}

/**
 * Whoever is vouched for comes before all others, and has `limit` places of its own: guesses take none of them. The others have as
 * many, and their addresses take turns: however many wait of one, who comes from another waits for two of them at the most. Where
 * all places are taken, the last of the address with most of them makes room for one that has fewer.
 */
export function createLine(limit: number): Line {
  const vouched: Waiting[] = []
  /** By address, in the order of their turns. */
  const others = new Map<string, Waiting[]>()
  const inLine = { vouched: 0, others: 0 }
  let isBusy = false

  function next(): void {
    const first = vouched.shift() ?? nextOfOthers()
    isBusy = first !== undefined
    first?.begin()
  }

  function nextOfOthers(): Waiting | undefined {
    const [turn] = others
    if (!turn) return undefined
    const [address, [first, ...rest]] = turn
    others.delete(address)
    if (rest.length > 0) others.set(address, rest)
    return first
  }

  function makeRoomFor(address: string): void {
    const own = others.get(address)?.length ?? 0
    let longest: Waiting[] = []
    for (const waiting of others.values()) if (waiting.length > longest.length) longest = waiting
    if (longest.length <= own + 1) throw new RegistryError('TOOMANYREQUESTS')
    longest.pop()?.refuse()
  }

  function turnOf(address: string | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const own = address === undefined ? vouched : (others.get(address) ?? [])
    own.push({ begin: resolve, refuse: () => reject(new RegistryError('TOOMANYREQUESTS')) })
    if (address !== undefined) others.set(address, own)
    return promise
  }

  return async (address, work) => {
    const row = address === undefined ? 'vouched' : 'others'
    if (inLine[row] >= limit) {
      if (address === undefined) throw new RegistryError('TOOMANYREQUESTS')
      makeRoomFor(address)
    }
    inLine[row] += 1
    try {
      if (isBusy) await turnOf(address)
      isBusy = true
      return await work().finally(next)
    } finally {
      inLine[row] -= 1
    }
  }
}
