import type { Clock } from './clock.ts'

/** How much may go over the link in each direction; all that goes shares it, in the order it comes. */
export interface Bandwidth {
  /** Resolves when so many bytes may count as received. */
  received(bytes: number, signal: AbortSignal): Promise<void>
  sent(bytes: number, signal: AbortSignal): Promise<void>
}

/** `limit`: bits per second as of now; undefined: no limit. */
export function createBandwidth(limit: () => number | undefined, clock: Clock): Bandwidth {
  return { received: createMeteredWay(limit, clock), sent: createMeteredWay(limit, clock) }
}

/** What was not used for so long is lost: a link that rested may not be flooded. */
const creditMs = 50
/** Timers are no more exact than this; what is waited too little is made up for later. */
const shortestWaitMs = 2

/** Bytes take their turns one behind the other, so each of several streams gets as much as its pieces are large. */
function createMeteredWay(limit: () => number | undefined, clock: Clock) {
  let freeAt = Number.NEGATIVE_INFINITY
  return async (bytes: number, signal: AbortSignal): Promise<void> => {
    const bitsPerSecond = limit()
    if (bitsPerSecond === undefined || bytes === 0) return
    const now = clock.now()
    const from = freeAt < now - creditMs ? now : freeAt
    freeAt = from + (bytes * 8000) / bitsPerSecond
    if (freeAt - now > shortestWaitMs) await clock.sleep(freeAt - now, signal)
  }
}
