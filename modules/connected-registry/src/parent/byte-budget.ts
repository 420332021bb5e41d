/** So many bytes at once, whoever they are for; who comes later waits in order. */
export interface ByteBudget {
  readonly limit: number
  /**
   * Resolves to the way to give them back. More than there are at all count as all. Rejects with the signal's reason, and then holds
   * none.
   */
  hold(bytes: number, signal: AbortSignal): Promise<() => void>
  /** The same at once, or not at all: somebody waits, or so many are not left. */
  holdFree(bytes: number): (() => void) | undefined
}

interface Waiting {
  readonly bytes: number
  readonly enter: () => void
}

export function createByteBudget(limit: number): ByteBudget {
  const waiting: Waiting[] = []
  let held = 0

  function admit(): void {
    for (let first = waiting[0]; first && held + first.bytes <= limit; first = waiting[0]) {
      waiting.shift()
      held += first.bytes
      first.enter()
    }
  }

  function release(bytes: number): () => void {
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      held -= bytes
      admit()
    }
  }

  return {
    limit,
    holdFree(wanted) {
      const bytes = Math.min(wanted, limit)
      if (waiting.length > 0 || held + bytes > limit) return undefined
      held += bytes
      return release(bytes)
    },
    async hold(wanted, signal) {
      signal.throwIfAborted()
      const bytes = Math.min(wanted, limit)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const entry = { bytes, enter: resolve }
      const leave = () => {
        const at = waiting.indexOf(entry)
        if (at < 0) return
        waiting.splice(at, 1)
        reject(signal.reason)
        admit()
      }
      waiting.push(entry)
      signal.addEventListener('abort', leave, { once: true })
      admit()
      await promise.finally(() => signal.removeEventListener('abort', leave))
      return release(bytes)
    }
  }
}
