import type { Log } from '@connected-registry/edge-module/log.ts'

export interface KeptOptions<T> {
  /** What it is, for the log. */
  readonly what: string
  readonly load: (signal: AbortSignal) => Promise<T>
  /** Younger than this it is given out as it is, milliseconds. */
  readonly freshMs: number
  /** Younger than this it is given out while another one is loaded, milliseconds. */
  readonly usableMs: number
  readonly log: Log
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

/** Something that changes seldom and is loaded from elsewhere, one load at a time. */
export interface Kept<T> {
  /** Waits only where nothing usable is there; rejects as the load does. */
  get(): Promise<T>
  /** Loads it now. */
  renew(): Promise<T>
  close(): void
}

export function createKept<T>(options: KeptOptions<T>): Kept<T> {
  const { what, load, freshMs, usableMs, log, now = () => performance.now() } = options
  const life = new AbortController()
  let held: { readonly value: T; readonly since: number } | undefined
  let loading: Promise<T> | undefined

  function renew(): Promise<T> {
    loading ??= reload().finally(() => {
      loading = undefined
    })
    return loading
  }

  async function reload(): Promise<T> {
    const since = now()
    const value = await load(life.signal)
    held = { value, since }
    return value
  }

  return {
    renew,
    async get() {
      const ageMs = held ? now() - held.since : Number.POSITIVE_INFINITY
      if (!held || ageMs >= usableMs) return renew()
      if (ageMs >= freshMs) renew().catch((error) => log.warn({ reason: String(error) }, `${what} not renewed`))
      return held.value
    },
    close: () => life.abort()
  }
}
