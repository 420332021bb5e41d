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

/** There is no memory for the manifest now. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
  readonly code = 'MANIFESTS_TOO_LARGE'
  readonly retryable = true
  readonly digest: Digest
  readonly bytes: number

  constructor(digest: Digest, bytes: number) {
    super(`${digest}, of ${bytes} bytes, is too large beside the other manifests that come now`)
    this.digest = digest
    this.bytes = bytes
  }
}
