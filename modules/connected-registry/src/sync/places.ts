/** A bounded number of places; who comes later waits in order. */
export interface Places {
  readonly count: number
  /** Resolves to the way to leave again. Rejects with the signal's reason, and then holds no place. */
  take(signal: AbortSignal): Promise<() => void>
  /** At once or not at all. */
  takeFree(): (() => void) | undefined
  /** Whether one could be taken now. */
  readonly isFree: boolean
  /** How many wait. */
  readonly waiting: number
}

export function createPlaces(count: number): Places {
  const waiting: (() => void)[] = []
  let free = count
  const leave = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
  return {
    count,
    async take(signal) {
      signal.throwIfAborted()
      if (free > 0) free--
      else await turn(waiting, signal)
      return once(leave)
    },
    takeFree() {
      if (free === 0) return undefined
      free--
      return once(leave)
    },
    get isFree() {
      return free > 0
    },
    get waiting() {
      return waiting.length
    }
  }
}

/**
 * Acts on each item, `count` at a time and in order. After a failure none is begun any more; it is thrown when the others have
 * ended, so that nothing goes on unseen behind an iteration that is over.
 */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  count: number,
  act: (item: T) => Promise<void>
): Promise<void> {
  const all = each(items)
  let failed = false
  const worker = async () => {
    for (let next = await all.next(); !(next.done || failed); next = await all.next()) {
      await act(next.value).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: count }, worker))
  for (const result of workers) if (result.status === 'rejected') throw result.reason
}

async function* each<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* items
}

/**
 * Acts on each item, in order: one at a time, and as many more beside it as there are free places. Nobody waits for a place, so
 * that work within such work cannot stop itself. After a failure it goes as above.
 */
export async function inFreePlaces<T>(
  items: readonly T[],
  places: Places | undefined,
  act: (item: T) => Promise<void>
): Promise<void> {
  const queue = items.map((item) => ({ item }))
  const workers: Promise<void>[] = []
  let failure: { readonly error: unknown } | undefined

  async function work(): Promise<void> {
    for (let next = queue.shift(); next && !failure; next = queue.shift()) {
      const acting = act(next.item).catch((error: unknown) => {
        failure ??= { error }
      })
      recruit()
      await acting
    }
  }

  function recruit(): void {
    const leave = queue.length > 0 && !failure ? places?.takeFree() : undefined
    if (leave) workers.push(work().finally(leave))
  }

  await work()
  // Those that are at work may bring others along.
  for (let ended = 0; ended < workers.length; ended++) await workers[ended]
  if (failure) throw failure.error
}

function turn(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const enter = () => {
      signal.removeEventListener('abort', abort)
      resolve()
    }
    const abort = () => {
      waiting.splice(waiting.indexOf(enter), 1)
      reject(signal.reason)
    }
    waiting.push(enter)
    signal.addEventListener('abort', abort, { once: true })
  })
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (!done) act()
    done = true
  }
}
