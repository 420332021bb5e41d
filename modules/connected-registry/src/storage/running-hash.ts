import { newHash } from '../protocol/digest.ts'
import { blockSize } from './gathered-writes.ts'
import type { Hashing, ThreadHash } from './hashing.ts'

/** SHA-256 of an upload while it arrives, in order from the first byte on; of no use from the first byte that is not next. */
export interface RunningHash {
  /** Before an append at `at`; undefined: anywhere. */
  expect(at: number | undefined): void
  /** Until it resolves the block must stay as it is. */
  update(block: Uint8Array): Promise<void>
  /** The hex of the first `end` bytes, where exactly these came. */
  digest(end: number): Promise<string | undefined>
  end(): void
}

/** What begins with a whole block is large, and left to the thread; to go there and back takes longer than to hash what is small. */
export function createRunningHash(hashing: Hashing): RunningHash {
  let hash: ThreadHash | undefined
  let size = 0
  let usable = true

  return {
    expect(at) {
      usable &&= at === size
      if (!usable) hash?.end()
    },
    async update(block) {
      if (!usable) return
      hash ??= block.length < blockSize ? hashHere() : hashing.begin()
      size += block.length
      await hash.update(block)
    },
    digest: async (end) => (usable && size === end ? (hash ?? hashHere()).digest() : undefined),
    end() {
      // An append that is being interrupted may still bring a block.
      usable = false
      hash?.end()
    }
  }
}

function hashHere(): ThreadHash {
  const hash = newHash('sha256')
  return {
    update: async (block) => void hash.update(block),
    digest: async () => hash.copy().digest('hex'),
    end: () => undefined
  }
}
