export const blockSize = 1024 * 1024
const keptBlocks = 8
/** Who has a block gets a second one only while fewer are out: memory for many uploads at once is one block each. */
const manyBlocks = 12

/**
 * Blocks to copy content into, used again and again: a fresh one for each upload costs more than the copy. Their memory can be
 * shared with another thread.
 */
export interface Blocks {
  take(): Buffer
  /** Undefined: many are out. */
  takeSecond(): Buffer | undefined
  give(block: Buffer): void
}

export function createBlocks(): Blocks {
  const free: Buffer[] = []
  let out = 0
  const take = () => {
    out++
    return free.pop() ?? Buffer.from(new SharedArrayBuffer(blockSize))
  }
  return {
    take,
    takeSecond: () => (out < manyBlocks ? take() : undefined),
    give(block) {
      out--
      free.push(block)
      // Uploads under way have one block or two, now this and now that: what they are about to take again is not given up.
      free.length = Math.min(free.length, Math.max(keptBlocks, out))
    }
  }
}

/** A block is not held longer for content that does not come. */
const silentMs = 2_000

/**
 * Gathers small chunks into large writes: while one block is being written, the next one fills. Chunks are copied, so the
 * source may reuse their memory. What came before a failure of the source, or before a silence, is written without waiting for more.
 */
export async function writeGathered(
  content: AsyncIterable<Uint8Array>,
  blocks: Blocks,
  write: (block: Uint8Array) => Promise<void>,
  restMs = silentMs
): Promise<void> {
  let filling: Buffer | undefined
  let used = 0
  let writing: Promise<void> = Promise.resolve()
  let resting: Promise<void> | undefined
  let isAwaited = false
  const silence = setTimeout(() => {
    if (isAwaited && filling) resting = rest(filling)
    // Awaited by the next chunk, or at the end; until then a failure is not an unhandled one.
    resting?.catch(() => undefined)
  }, restMs).unref()

  /** Content that comes slowly takes one block most of the time: the second one only as long as the first is being written. */
  async function flush(full: Buffer): Promise<void> {
    await writing
    if (used === 0) return
    const next = blocks.takeSecond()
    writing = write(full.subarray(0, used))
    used = 0
    if (!next) return writing
    filling = next
    writing = writing.finally(() => blocks.give(full))
    // Awaited by the next flush; until then a failure is not an unhandled one.
    writing.catch(() => undefined)
  }

  /** Until more comes, the block is free for others. */
  async function rest(block: Buffer): Promise<void> {
    await writing
    if (used > 0) writing = write(block.subarray(0, used))
    used = 0
    await writing
    filling = undefined
    blocks.give(block)
  }

  async function end(): Promise<void> {
    clearTimeout(silence)
    try {
      await resting
      if (filling) await flush(filling)
      await writing
    } finally {
      if (filling) blocks.give(filling)
    }
  }

  try {
    for await (const { buffer, byteOffset, byteLength } of content) {
      isAwaited = false
      if (resting) await resting
      resting = undefined
      // Not by `set`, which copies into shared memory word by word.
      const chunk = Buffer.from(buffer, byteOffset, byteLength)
      for (let done = 0; done < chunk.length; ) {
        filling ??= blocks.take()
        const copied = chunk.copy(filling, used, done)
        done += copied
        used += copied
        if (used === filling.length) await flush(filling)
      }
      silence.refresh()
      isAwaited = true
    }
  } finally {
    await end()
  }
}
