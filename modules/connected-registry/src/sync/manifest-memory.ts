import { type ByteBudget, createByteBudget } from '../parent/byte-budget.ts'
import type { Digest } from '../protocol/digest.ts'

/** Manifests that are in memory while what they name is copied, over all repositories. */
export interface ManifestMemory {
  /** Those that are part of no other one: whoever copies one holds nothing yet, and may wait. */
  readonly roots: ByteBudget
  /** Those below one that is held. Nobody waits for it: those who hold it may wait for the very manifest that would. */
  readonly nested: ByteBudget
}

/** Of each: what they say of what they name takes as much again. Four of the largest that there are, hundreds of real ones. */
const limitBytes = 16 * 1024 * 1024

export function createManifestMemory(limit = limitBytes): ManifestMemory {
  return { roots: createByteBudget(limit), nested: createByteBudget(limit) }
}

/** There is no memory for the manifest now; or never, beside those that it was found below. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
  readonly code: 'MANIFESTS_TOO_LARGE' | 'TOO_DEEP'
  readonly retryable: boolean
  readonly digest: Digest
  readonly bytes: number

  constructor(digest: Digest, bytes: number, when: 'now' | 'ever' = 'now') {
    const others =
      when === 'now' ? 'beside the other manifests that come now' : 'for as large ones as it is nested below'
    super(`${digest}, of ${bytes} bytes, is too large ${others}`)
    this.code = when === 'now' ? 'MANIFESTS_TOO_LARGE' : 'TOO_DEEP'
    this.retryable = when === 'now'
    this.digest = digest
    this.bytes = bytes
  }
}
