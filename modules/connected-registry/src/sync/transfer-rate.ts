/** How fast bytes have come lately. */
export interface TransferRate {
  note(bytes: number): void
  /** Bytes a second; 0 before anything came. */
  bytesPerSecond(): number
}

interface Slice {
  readonly second: number
  bytes: number
}

/** Long enough to even out a link that stutters, short enough to follow one that changes. */
const windowSeconds = 30

export function createTransferRate(now: () => Date): TransferRate {
  const slices: Slice[] = []
  let begun: number | undefined
  const secondNow = () => Math.floor(now().getTime() / 1000)

  function forget(second: number): void {
    // A clock that was set makes all that was noted before it meaningless.
    if ((slices.at(-1)?.second ?? second) > second) slices.length = 0
    while (slices[0] && slices[0].second <= second - windowSeconds) slices.shift()
    if (slices.length === 0) begun = undefined
  }

  return {
    note(bytes) {
      const second = secondNow()
      forget(second)
      begun ??= second
      const last = slices.at(-1)
      if (last?.second === second) last.bytes += bytes
      else slices.push({ second, bytes })
    },
    bytesPerSecond() {
      const second = secondNow()
      forget(second)
      if (begun === undefined) return 0
      const span = Math.min(windowSeconds, second - begun + 1)
      return Math.round(slices.reduce((sum, { bytes }) => sum + bytes, 0) / span)
    }
  }
}
