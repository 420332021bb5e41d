/** A bounded number of places; who comes later waits in order. */
export interface Places {
  /** Resolves to the way to leave again. Rejects with the signal's reason, and then holds no place. */
  take(signal: AbortSignal): Promise<() => void>
  /** At once or not at all. */
  takeFree(): (() => void) | undefined
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
  items: readonly T[],
  count: number,
  act: (item: T) => Promise<void>
): Promise<void> {
  const next = items.values()
  let failed = false
  const worker = async () => {
    for (const item of next) {
      if (failed) return
      await act(item).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: count }, worker))
  for (const result of workers) if (result.status === 'rejected') throw result.reason
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
