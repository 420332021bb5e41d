/** How long nothing may come on a connection once a request is out. */
export interface Silence {
  /** From the end of a request ... */
  begin(): void
  /** ... to the head of its answer. */
  end(): void
  /** There will be no other request. */
  close(): void
}

/** One for all requests of a connection: a timer that is set again costs a fraction of another one. */
export function createSilence(limitMs: number, expired: () => void): Silence {
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  const reached = () => {
    if (isWaiting) expired()
  }
  return {
    begin() {
      isWaiting = true
      // While a connection is waited on, it holds the process by itself.
      timer = timer?.refresh() ?? setTimeout(reached, limitMs).unref()
    },
    end() {
      isWaiting = false
    },
    close() {
      isWaiting = false
      clearTimeout(timer)
    }
  }
}
