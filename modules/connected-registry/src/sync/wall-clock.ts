/** The time of day, by which schedules go, and a way to wait for it. */
export interface WallClock {
  now(): Date
  /** Calls once, after so many milliseconds; gives the way to call it off. */
  after(milliseconds: number, act: () => void): () => void
}

export const systemWallClock: WallClock = {
  now: () => new Date(),
  after(milliseconds, act) {
    const timer = setTimeout(act, milliseconds)
    return () => clearTimeout(timer)
  }
}
