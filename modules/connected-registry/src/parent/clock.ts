import { setTimeout as delay } from 'node:timers/promises'

/** Time as the link to the parent needs it: spans only, so that a device whose date is wrong still works. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /** Rejects with the signal's reason when it is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(milliseconds, signal) {
    await delay(milliseconds, undefined, { signal }).catch((error) => {
      throw signal.aborted ? signal.reason : error
    })
  }
}
