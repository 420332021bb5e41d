import { Worker } from 'node:worker_threads'

/** To the thread, any number at a time; each `update` and `digest` is answered, in the order of the requests. */
export type HashingRequest =
  | { readonly kind: 'update'; readonly id: number; readonly block: Uint8Array }
  | { readonly kind: 'digest' | 'end'; readonly id: number }

export interface HashingReply {
  readonly id: number
  readonly hex?: string
}

/**
 * SHA-256 on a thread of its own: a megabyte takes more than half a millisecond, in which the main thread would answer nobody.
 * The thread is started when it is needed, and ended when it had no hash to keep for `restMs`.
 */
export interface Hashing {
  begin(): ThreadHash
  /** Loses what is begun. */
  close(): Promise<void>
}

/** One hash, of what it is given in the order of the calls. */
export interface ThreadHash {
  /** The block, of shared memory, must not change before this resolves. */
  update(block: Uint8Array): Promise<void>
  /** The hex of all so far. Undefined: it was lost with its thread. */
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
}

const startHashingThread = () => new Worker(new URL('./hashing-thread.ts', import.meta.url))

const lostHash: ThreadHash = { update: async () => undefined, digest: async () => undefined, end: () => undefined }

export function createHashing({ startThread = startHashingThread, restMs = 5000 }: HashingOptions = {}): Hashing {
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
    worker.on('error', () => lose(started))
    worker.on('exit', () => lose(started))
    return started
  }

  /** Where there may be no more threads, Node says so at once (`ERR_WORKER_INIT_FAILED`). */
  function startIfPossible(): Thread | undefined {
    try {
      return start()
    } catch {
      return undefined
    }
  }

  function settle({ worker, waiting }: Thread, reply: HashingReply | undefined): void {
    waiting.shift()?.(reply)
    if (waiting.length === 0) worker.unref()
  }

  function lose(lost: Thread): void {
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
    begin() {
      thread ??= startIfPossible()
      const home = thread
      if (!home) return lostHash
      const id = ++lastId
      home.hashes.add(id)
      return {
        async update(block) {
          if (home.hashes.has(id)) await ask(home, { kind: 'update', id, block })
        },
        async digest() {
          return home.hashes.has(id) ? (await ask(home, { kind: 'digest', id }))?.hex : undefined
        },
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
