import type { FileHandle } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type { Algorithm } from '../protocol/digest.ts'

/** To the thread, any number at a time; each `write`, `read` and `digest` is answered, in the order of the requests. */
export type HashingRequest =
  | { readonly kind: 'begin'; readonly id: number; readonly algorithm: Algorithm }
  | BlockRequest
  | ReadRequest
  | { readonly kind: 'digest' | 'end'; readonly id: number }

/** `file`: a descriptor that stays open until the answer. */
export interface BlockRequest {
  readonly kind: 'write'
  readonly id: number
  readonly block: Uint8Array
  readonly file: number
  readonly at: number
}

export interface ReadRequest {
  readonly kind: 'read'
  readonly id: number
  readonly file: number
  readonly at: number
  readonly length: number
}

export interface HashingReply {
  readonly id: number
  readonly hex?: string | undefined
  readonly failure?: { readonly error: unknown; readonly code: string | undefined }
}

/**
 * Content is written and hashed on a thread of its own: to hash a megabyte takes more than half a millisecond, in which the main
 * thread would answer nobody, and a thread that writes at a higher priority takes the processor from it as well.
 * The thread is started when it is needed, and ended when it had no hash to keep for `restMs`.
 */
export interface Hashing {
  begin(algorithm?: Algorithm): ThreadHash
  /** Starts the thread for what is about to begin. */
  wake(): void
  /** Loses what is begun. */
  close(): Promise<void>
}

/** One hash, of what it is given in the order of the calls. Each method says whether it was done: not where its thread is lost. */
export interface ThreadHash {
  /**
   * Writes the block at `at`, and takes it into the hash. The block, of shared memory, must not change before this settles.
   * Throws what the system says; then nothing of the block is in the hash.
   */
  write(file: FileHandle, block: Uint8Array, at: number): Promise<boolean>
  /** Takes in the first `length` bytes of a file. */
  readFirst(file: FileHandle, length: number): Promise<boolean>
  /** The hex of all so far. */
  digest(): Promise<string | undefined>
  end(): void
}

interface Thread {
  readonly worker: Worker
  readonly hashes: Set<number>
  /** In the order of the requests. */
  readonly waiting: ((reply: HashingReply | undefined) => void)[]
}

export interface HashingOptions {
  readonly startThread?: () => Worker
  readonly restMs?: number
  /** A thread could not be started, or died. What it had is written and hashed without it, and the next hash asks for another. */
  readonly onLost?: (error: unknown) => void
}

const startHashingThread = () => new Worker(new URL('./hashing-thread.ts', import.meta.url))

/** Read at a time, so that others' blocks are not kept waiting. */
const readBytes = 4 * 1024 * 1024

const lostHash: ThreadHash = {
  write: async () => false,
  readFirst: async () => false,
  digest: async () => undefined,
  end: () => undefined
}

export function createHashing(options: HashingOptions = {}): Hashing {
  const { startThread = startHashingThread, restMs = 5000, onLost = () => {} } = options
  let thread: Thread | undefined
  let resting: NodeJS.Timeout | undefined
  let lastId = 0

  function start(): Thread {
    const worker = startThread()
    // While it is waited for it is held (`ask`).
    worker.unref()
    const started: Thread = { worker, hashes: new Set(), waiting: [] }
    worker.on('message', (reply: HashingReply) => settle(started, reply))
    // Whatever it ends by: content that was not hashed is read again.
    worker.on('error', (error) => lose(started, error))
    worker.on('exit', (code) => lose(started, new Error(`the hashing thread ended with ${code}`)))
    return started
  }

  /** Where there may be no more threads, Node says so at once (`ERR_WORKER_INIT_FAILED`). */
  function startIfPossible(): Thread | undefined {
    try {
      return start()
    } catch (error) {
      onLost(error)
      return undefined
    }
  }

  function settle({ worker, waiting }: Thread, reply: HashingReply | undefined): void {
    waiting.shift()?.(reply)
    if (waiting.length === 0) worker.unref()
  }

  function lose(lost: Thread, error: unknown): void {
    // One that was ended is no loss.
    if (thread === lost) onLost(error)
    if (thread === lost) thread = undefined
    lost.hashes.clear()
    while (lost.waiting.length > 0) settle(lost, undefined)
  }

  function ask({ worker, waiting }: Thread, request: HashingRequest): Promise<HashingReply | undefined> {
    const { promise, resolve } = Promise.withResolvers<HashingReply | undefined>()
    worker.ref()
    waiting.push(resolve)
    worker.postMessage(request)
    return promise
  }

  function rest(): void {
    clearTimeout(resting)
    resting = setTimeout(() => thread?.hashes.size === 0 && void end(), restMs).unref()
  }

  async function end(): Promise<void> {
    const ending = thread
    thread = undefined
    await ending?.worker.terminate()
  }

  return {
    wake() {
      thread ??= startIfPossible()
      rest()
    },
    begin(algorithm = 'sha256') {
      thread ??= startIfPossible()
      const home = thread
      if (!home) return lostHash
      const id = ++lastId
      home.hashes.add(id)
      home.worker.postMessage({ kind: 'begin', id, algorithm } satisfies HashingRequest)
      const askHome = async (request: HashingRequest) => (home.hashes.has(id) ? await ask(home, request) : undefined)
      return {
        write: async (file, block, at) =>
          (await askHome({ kind: 'write', id, block, file: file.fd, at }).then(unlessFailed)) !== undefined,
        async readFirst(file, length) {
          for (let at = 0; at < length; at += readBytes) {
            const piece = { at, length: Math.min(readBytes, length - at) }
            if (!unlessFailed(await askHome({ kind: 'read', id, file: file.fd, ...piece }))) return false
          }
          return true
        },
        digest: async () => (await askHome({ kind: 'digest', id }))?.hex,
        end() {
          if (!home.hashes.delete(id)) return
          home.worker.postMessage({ kind: 'end', id } satisfies HashingRequest)
          if (home.hashes.size === 0) rest()
        }
      }
    },
    async close() {
      clearTimeout(resting)
      await end()
    }
  }
}

function unlessFailed(reply: HashingReply | undefined): HashingReply | undefined {
  if (!reply?.failure) return reply
  const { error, code } = reply.failure
  throw Object.assign(error as Error, { code })
}
