import type { FileHandle } from 'node:fs/promises'
import { newHash } from '../protocol/digest.ts'
import { blockSize } from './gathered-writes.ts'
import type { Hashing, ThreadHash } from './hashing.ts'

/**
 * Writes what arrives for an upload, and keeps the SHA-256 of it while it comes in order from the first byte on; the hash is of
 * no use from the first byte that is not next.
 */
export interface RunningHash {
  /** Much is to come: the thread starts while it is waited for. */
  prepare(): void
  /** Before an append at `at`; undefined: anywhere. */
  expect(at: number | undefined): void
  /** Until it settles the block must stay as it is. */
  write(file: FileHandle, block: Uint8Array, at: number): Promise<void>
  /** The hex of the first `end` bytes, where exactly these came. */
  digest(end: number): Promise<string | undefined>
  end(): void
}

/** A hash that nothing is added to for so long is given up, and its thread with it: at the end the file is read instead. */
const idleHashMs = 60_000

/** What is large is left to the thread; to go there and back takes longer than to hash what is small. */
export function createRunningHash(hashing: Hashing, idleMs = idleHashMs): RunningHash {
  const here = newHash('sha256')
  let thread: ThreadHash | undefined
  /** Nothing is in it. */
  let prepared: ThreadHash | undefined
  let idle: NodeJS.Timeout | undefined
  let size = 0
  let usable = true

  function end(): void {
    // An append that is being interrupted may still bring a block.
    usable = false
    clearTimeout(idle)
    thread?.end()
    forgo()
  }

  function forgo(): void {
    prepared?.end()
    prepared = undefined
  }

  /** What came before in small appends is in the file. */
  async function startThread(file: FileHandle): Promise<ThreadHash> {
    clearTimeout(idle)
    thread = prepared ?? hashing.begin()
    prepared = undefined
    idle = setTimeout(end, idleMs).unref()
    const isRead = await thread.readFirst(file, size).catch((error: unknown) => {
      end()
      throw error
    })
    if (!isRead) end()
    return thread
  }

  return {
    prepare() {
      prepared = hashing.begin()
      idle = setTimeout(forgo, idleMs).unref()
    },
    expect(at) {
      if (at !== size) end()
    },
    async write(file, block, at) {
      if (!usable) return writeAll(file, block, at)
      if (!thread && size + block.length < blockSize) {
        await writeAll(file, block, at)
        here.update(block)
      } else {
        const home = thread ?? (await startThread(file))
        idle?.refresh()
        if (!(await home.write(file, block, at))) await writeAll(file, block, at)
      }
      size += block.length
    },
    async digest(end) {
      if (!usable || size !== end) return undefined
      return thread ? thread.digest() : here.copy().digest('hex')
    },
    end
  }
}

async function writeAll(file: FileHandle, block: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    const { bytesWritten } = await file.write(block, done, block.length - done, position + done)
    done += bytesWritten
  }
}
