import type { Worker } from 'node:worker_threads'
import { ConflictError } from './record-store.ts'
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
 * A writer that dies rejects those under way and every later one.
 */
export interface GroupCommit {
  readonly opened: Promise<void>
  commit(batch: StoredBatch): Promise<void>
  /** After what was asked for before. */
  close(): Promise<void>
}

export function createGroupCommit(worker: Worker, path: string): GroupCommit {
  const opening = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<void>()
  const waiting: Waiting[] = []
  let underWay: readonly Waiting[] = []
  let failure: StoreError | undefined
  let closed = false
  let last: Promise<unknown> = opening.promise

  worker.on('message', receive)
  worker.on('messageerror', fail)
  worker.on('error', fail)
  worker.on('exit', (exitCode) => {
    fail(new Error(`the thread ended with code ${exitCode}`))
    stopped.resolve()
  })

  function receive(reply: WriterReply): void {
    switch (reply.kind) {
      case 'opened':
        opening.resolve()
        break
      case 'refused':
        refuse(errorOf(reply.failure))
        break
      case 'committed':
        settle(reply.outcomes)
        send()
    }
  }

  function settle(outcomes: readonly Outcome[]): void {
    const settled = underWay
    underWay = []
    for (const [index, one] of settled.entries()) {
      const outcome = outcomes[index]
      if (outcome?.kind === 'done') one.resolve()
      else if (outcome?.kind === 'conflict') one.reject(new ConflictError(outcome.key))
      else one.reject(errorOf(outcome?.failure))
    }
  }

  function errorOf(
    failure: Failure = { reason: 'the record writer gave no answer', code: 'STORE_FAILED', cause: null }
  ) {
    return new StoreError(failure.reason, { ...failure, path })
  }

  function send(): void {
    if (failure || underWay.length > 0 || waiting.length === 0) return
    underWay = waiting.splice(0, groupLength(waiting))
    worker.postMessage({ kind: 'commit', batches: underWay.map(({ batch }) => batch) } satisfies WriterRequest)
  }

  function fail(cause: unknown): void {
    refuse(new StoreError('the record writer stopped', { code: 'STORE_FAILED', path, cause }))
  }

  function refuse(error: StoreError): void {
    failure ??= error
    opening.reject(failure)
    for (const one of [...underWay, ...waiting.splice(0)]) one.reject(failure)
    underWay = []
  }

  return {
    opened: opening.promise,
    commit(batch) {
      if (closed) return Promise.reject(new StoreError('the record store is closed', { code: 'STORE_CLOSED', path }))
      if (failure) return Promise.reject(failure)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ batch, sizeBytes: sizeOf(batch), resolve, reject })
      // Not at once: batches of the same turn of the event loop travel together.
      queueMicrotask(send)
      last = promise
      return promise
    },
    async close() {
      closed = true
      await Promise.allSettled([last])
      worker.postMessage({ kind: 'close' } satisfies WriterRequest)
      await stopped.promise
    }
  }
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
