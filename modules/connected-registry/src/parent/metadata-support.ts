import type { ParentLink } from './parent-link.ts'

/** Whether the parent has ACR's metadata API, as its answers told. */
export interface MetadataSupport {
  /** It had none lately: not worth asking. */
  isMissing(): boolean
  isProven(): boolean
  proved(): void
  /** An answer that looks as if there were none. False: what was proven before is not given up for one such answer. */
  missed(): boolean
}

const believedForMs = 60 * 60 * 1000

/** That it is missing is believed for an hour, and only as long as nothing fails: another host may answer after that. */
export function createMetadataSupport({
  clock,
  dispatcher
}: Pick<ParentLink, 'clock' | 'dispatcher'>): MetadataSupport {
  let proven = false
  let isDoubted = false
  let missing: { readonly until: number; readonly failures: number } | undefined
  return {
    isProven: () => proven,
    isMissing() {
      if (!missing) return false
      return clock.now() < missing.until && dispatcher.traffic().failures === missing.failures
    },
    proved() {
      proven = true
      isDoubted = false
      missing = undefined
    },
    missed() {
      const isBelieved = !proven || isDoubted
      isDoubted = true
      if (!isBelieved) return false
      proven = false
      missing = { until: clock.now() + believedForMs, failures: dispatcher.traffic().failures }
      return true
    }
  }
}
