import type { Worker } from 'node:worker_threads'
import type { StoredBatch } from './record-values.ts'
import { StoreError } from './store-error.ts'

/** To the writer, one request at a time. */
export type WriterRequest =
  | { readonly kind: 'commit'; readonly batches: readonly StoredBatch[] }
  | { readonly kind: 'close' }

/** From the writer: the first answer says whether the file could be opened, the others are one a request. */
export type WriterReply =
  | { readonly kind: 'opened' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'committed'; readonly outcomes: readonly Outcome[] }

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'conflict'; readonly key: string }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** A StoreError as it passes between threads. */
export type Failure = Pick<StoreError, 'reason' | 'code' | 'cause'>

/** The thread that writes: none or one at a time, so that what one is given is never beside what another still does. */
export interface WriterThread {
  /** There is one that has opened the file and is not ending: it may be given a group. */
  readonly isOpen: boolean
  /** Starts one where there is none, once the last has ended. `onOpened` follows, or `onLost`. */
  wake(): void
  commit(batches: readonly StoredBatch[]): void
  /** Ends the one that is open, after what it was given. */
  rest(): void
  /** Ends whichever is there, after what it was given; also the one that is still to be started. */
  close(): Promise<void>
}

export interface WriterThreadOptions {
  /** Of the file, for what is said of a failure. */
  readonly path: string
  readonly startThread: () => Worker
  readonly onOpened: () => void
  readonly onCommitted: (outcomes: readonly Outcome[]) => void
  /** It died, or could not be had. `wasOpen`: what it had been given may hold or not; one that did not open was given nothing. */
  readonly onLost: (error: StoreError, loss: { readonly wasOpen: boolean }) => void
}

interface Thread {
  readonly worker: Worker
  readonly ended: Promise<void>
  state: 'opening' | 'open' | 'ending'
}

export function createWriterThread(options: WriterThreadOptions): WriterThread {
  const { path, startThread, onOpened, onCommitted, onLost } = options
  let thread: Thread | undefined
  /** Asked for while the last one was ending. */
  let isWanted = false

  function start(): void {
    isWanted = false
    try {
      thread = follow(startThread())
    } catch (error) {
      // Where there may be no more threads, Node says so at once (`ERR_WORKER_INIT_FAILED`).
      onLost(stopped(error), { wasOpen: false })
    }
  }

  function follow(worker: Worker): Thread {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const followed: Thread = { worker, ended, state: 'opening' }
    worker.on('message', (reply: WriterReply) => receive(followed, reply))
    worker.on('messageerror', (error) => lose(followed, stopped(error)))
    worker.on('error', (error) => lose(followed, stopped(error)))
    worker.on('exit', (exitCode) => {
      lose(followed, stopped(new Error(`the thread ended with code ${exitCode}`)))
      thread = undefined
      resolve()
      if (isWanted) start()
    })
    return followed
  }

  function receive(from: Thread, reply: WriterReply): void {
    switch (reply.kind) {
      case 'opened':
        if (from.state !== 'opening') break
        from.state = 'open'
        onOpened()
        break
      case 'refused':
        lose(from, errorOf(reply.failure, path))
        break
      case 'committed':
        onCommitted(reply.outcomes)
    }
  }

  /** One that was told to end is no loss: it had nothing left to do. */
  function lose(lost: Thread, error: StoreError): void {
    const { state } = lost
    if (state === 'ending') return
    end(lost)
    onLost(error, { wasOpen: state === 'open' })
  }

  function end(ending: Thread): void {
    ending.state = 'ending'
    ending.worker.postMessage({ kind: 'close' } satisfies WriterRequest)
  }

  function stopped(cause: unknown): StoreError {
    return new StoreError('the record writer stopped', { code: 'STORE_FAILED', path, cause })
  }

  return {
    get isOpen() {
      return thread?.state === 'open'
    },
    wake() {
      if (!thread) start()
      else if (thread.state === 'ending') isWanted = true
    },
    commit: (batches) => thread?.worker.postMessage({ kind: 'commit', batches } satisfies WriterRequest),
    rest() {
      if (thread?.state === 'open') end(thread)
    },
    async close() {
      while (thread) {
        if (thread.state !== 'ending') end(thread)
        await thread.ended
      }
    }
  }
}

/** A failure as the thread told it. */
export function errorOf(failure: Failure, path: string): StoreError {
  return new StoreError(failure.reason, { ...failure, path })
}
