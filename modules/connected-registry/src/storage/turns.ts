/** Who may work on one thing at a time: many that share it, or one alone, in the order of the calls. */
export interface Turns {
  /** Waits for the exclusive work asked for earlier. A wait, not the work, ends with the signal. */
  shared<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Waits for all work asked for earlier. */
  exclusive<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

export function createTurns(): Turns {
  let exclusive: Promise<unknown> = Promise.resolve()
  let all: Promise<unknown> = Promise.resolve()
  return {
    shared(work, signal) {
      const run = untilAbort(exclusive, signal).then(work)
      all = Promise.allSettled([all, run])
      return run
    },
    exclusive(work, signal) {
      const run = untilAbort(all, signal).then(work)
      all = Promise.allSettled([all, run])
      exclusive = all
      return run
    }
  }
}

/** One work at a time for each key, in the order of the calls. */
export function createKeyedTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>()
  return (key, work) => {
    const run = (tails.get(key) ?? Promise.resolve()).then(work)
    const tail = Promise.allSettled([run]).then(() => {
      if (tails.get(key) === tail) tails.delete(key)
    })
    tails.set(key, tail)
    return run
  }
}

function untilAbort(wait: Promise<unknown>, signal?: AbortSignal): Promise<void> {
  if (!signal) return wait.then(() => undefined)
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    void wait.finally(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
