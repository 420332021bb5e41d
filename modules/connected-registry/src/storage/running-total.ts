export interface Total {
  readonly count: number
  readonly bytes: number
}

/** How much there is of something: counted when it is first asked for, and kept up from then on. */
export interface RunningTotal {
  /** The signal ends the count where this is the first to ask. */
  read(signal?: AbortSignal): Promise<Total>
  /** Whether anybody asked; until then changes need not be told. */
  readonly isKept: boolean
  /** What a change behind `key` added; less than nothing where it took something away. */
  changed(key: string, by: Total): void
}

/** `entries`: all there is now, in the order of the keys. */
export function createRunningTotal(entries: () => AsyncIterable<readonly [key: string, bytes: number]>): RunningTotal {
  let counting: Promise<Total> | undefined
  /** The last key that was counted; what happens behind it will be counted as it is then. */
  let counted: string | undefined
  let isComplete = false
  let changes: Total = { count: 0, bytes: 0 }

  async function count(signal?: AbortSignal): Promise<Total> {
    let total: Total = { count: 0, bytes: 0 }
    for await (const [key, bytes] of entries()) {
      signal?.throwIfAborted()
      counted = key
      total = add(total, { count: 1, bytes })
    }
    isComplete = true
    return total
  }

  /** A count that failed is worth nothing; who asks next begins a new one. */
  function forget(error: unknown): never {
    counting = undefined
    counted = undefined
    changes = { count: 0, bytes: 0 }
    throw error
  }

  return {
    async read(signal) {
      counting ??= count(signal).catch(forget)
      return add(await counting, changes)
    },
    get isKept() {
      return counting !== undefined
    },
    changed(key, by) {
      if (isComplete || (counted !== undefined && key <= counted)) changes = add(changes, by)
    }
  }
}

function add(one: Total, other: Total): Total {
  return { count: one.count + other.count, bytes: one.bytes + other.bytes }
}
