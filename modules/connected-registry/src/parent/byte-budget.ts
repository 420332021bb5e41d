/** So many bytes at once, whoever they are for; who comes later waits in order. */
export interface ByteBudget {
  /**
   * Resolves to the way to give them back. More than there are at all count as all. Rejects with the signal's reason, and then holds
   * none.
   */
  hold(bytes: number, signal: AbortSignal): Promise<() => void>
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

  return {
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
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        held -= bytes
        admit()
      }
    }
  }
}
