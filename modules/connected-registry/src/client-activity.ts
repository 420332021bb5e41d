/** Whether clients ask right now: work that can wait leaves them more of the event loop's turns then. */
export interface ClientActivity {
  asked(): void
  isHigh(): boolean
}

/** Longer than a client that pulls an image needs between two answers. */
const lastingMs = 100

/** `now`: spans of time, in milliseconds. */
export function createClientActivity(now = () => performance.now()): ClientActivity {
  let askedAt = Number.NEGATIVE_INFINITY
  return {
    asked() {
      askedAt = now()
    },
    isHigh: () => now() - askedAt < lastingMs
  }
}
