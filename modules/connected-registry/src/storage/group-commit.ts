import type { Worker } from 'node:worker_threads'
import { ConflictError } from './record-store.ts'
import type { StoredBatch } from './record-values.ts'
import { StoreError } from './store-error.ts'
import { createWriterThread, errorOf, type Outcome } from './writer-thread.ts'

interface Waiting {
  readonly batch: StoredBatch
  readonly sizeBytes: number
  resolve(): void
  reject(error: Error): void
}

const groupBatches = 256
const groupBytes = 8 * 1024 * 1024

/**
 * Batches that come while the writer is busy go to it together, in the order of the calls: one sync for all of them.
 * A writer that dies rejects those under way and every later one. One that had nothing to do for `restMs` ends, for a thread at
 * rest takes megabytes; the next commit starts another.
 */
export interface GroupCommit {
  /** The first writer has the file open. Rejects with what kept it from that; then nothing is taken. */
  readonly opened: Promise<void>
  commit(batch: StoredBatch): Promise<void>
  /** A commit is about to come: a writer is started where none is, and one that is about to end stays. */
  wake(): void
  /** After what was asked for before. */
  close(): Promise<void>
}

export interface GroupCommitOptions {
  readonly path: string
  readonly startThread: () => Worker
  readonly restMs: number
}

export function createGroupCommit({ path, startThread, restMs }: GroupCommitOptions): GroupCommit {
  const opening = Promise.withResolvers<void>()
  const waiting: Waiting[] = []
  let underWay: readonly Waiting[] = []
  let wasOpened = false
  let failure: StoreError | undefined
  let closing: Promise<void> | undefined
  let last: Promise<unknown> = opening.promise
  const thread = createWriterThread({ path, startThread, onOpened, onCommitted, onLost })
  let resting: NodeJS.Timeout | undefined
  thread.wake()

  function onOpened(): void {
    wasOpened = true
    opening.resolve()
    send()
  }

  function onCommitted(outcomes: readonly Outcome[]): void {
    const settled = underWay
    underWay = []
    for (const [index, one] of settled.entries()) settle(one, outcomes[index])
    send()
  }

  function settle({ resolve, reject }: Waiting, outcome: Outcome = noAnswer): void {
    if (outcome.kind === 'done') resolve()
    else if (outcome.kind === 'conflict') reject(new ConflictError(outcome.key))
    else reject(errorOf(outcome.failure, path))
  }

  /** What a writer was given that had the file open may hold or not: then nothing more is taken. Else the next commit tries anew. */
  function onLost(error: StoreError, { wasOpen }: { readonly wasOpen: boolean }): void {
    if (wasOpen || !wasOpened) failure = error
    opening.reject(error)
    for (const one of [...underWay, ...waiting.splice(0)]) one.reject(error)
    underWay = []
  }

  function send(): void {
    if (failure || underWay.length > 0) return
    if (waiting.length === 0) restLater()
    else if (thread.isOpen) commitGroup()
    else thread.wake()
  }

  function commitGroup(): void {
    underWay = waiting.splice(0, groupLength(waiting))
    thread.commit(underWay.map(({ batch }) => batch))
  }

  function restLater(): void {
    clearTimeout(resting)
    resting = setTimeout(rest, restMs).unref()
  }

  function rest(): void {
    if (underWay.length === 0 && waiting.length === 0) thread.rest()
  }

  async function closeWriter(): Promise<void> {
    await Promise.allSettled([last])
    clearTimeout(resting)
    // The writer is the last to close the file: one that ended before the others is started again for that.
    if (!failure) thread.wake()
    await thread.close()
  }

  return {
    opened: opening.promise,
    commit(batch) {
      if (closing) return Promise.reject(new StoreError('the record store is closed', { code: 'STORE_CLOSED', path }))
      if (failure) return Promise.reject(failure)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ batch, sizeBytes: sizeOf(batch), resolve, reject })
      // Not at once: batches of the same turn of the event loop travel together.
      queueMicrotask(send)
      last = promise
      return promise
    },
    wake() {
      if (closing || failure) return
      restLater()
      thread.wake()
    },
    close: () => (closing ??= closeWriter())
  }
}

const noAnswer: Outcome = {
  kind: 'failed',
  failure: { reason: 'the record writer gave no answer', code: 'STORE_FAILED', cause: null }
}

/** How many fit into one transaction; at least one. */
function groupLength(waiting: readonly Waiting[]): number {
  let bytes = 0
  const tooMany = waiting.findIndex((one, index) => {
    bytes += one.sizeBytes
    return index > 0 && (index >= groupBatches || bytes > groupBytes)
  })
  return tooMany < 0 ? waiting.length : tooMany
}

function sizeOf(batch: StoredBatch): number {
  return batch.put.reduce((bytes, [key, value]) => bytes + key.length + value.length, 0)
}
