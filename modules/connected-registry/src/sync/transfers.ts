import { setTimeout as pause } from 'node:timers/promises'
import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import type { BlobStore } from '../storage/blob-store.ts'

/** Brings blobs into the store: a bounded number at once, one transfer of a digest at a time however many want it. */
export interface Transfers {
  /** Resolves when the blob is in the store, verified and durable. */
  bring(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void>
}

export interface TransferOptions {
  readonly blobs: BlobStore
  /** Transfers at once, over all repositories. */
  readonly concurrency: number
  /** Attempts without a single new byte before a transfer is given up. */
  readonly attempts?: number
  readonly pauseMs?: (attempt: number) => number
  /** Told of every chunk that was written. */
  readonly onBytes?: (count: number) => void
}

export function createTransfers(options: TransferOptions): Transfers {
  const { blobs, concurrency, attempts = 4, pauseMs = jitteredPause, onBytes = () => {} } = options
  const running = new Map<Digest, Promise<void>>()
  const places = createPlaces(concurrency)

  async function transfer(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void> {
    if (await blobs.stat(descriptor.digest)) return
    const upload = await blobs.beginUpload()
    try {
      await receive(upload, descriptor, source, signal)
      await blobs.commit(upload, descriptor.digest)
    } finally {
      await blobs.cancel(upload)
    }
  }

  /** Goes on at the byte where the last attempt ended. An attempt that brought bytes is no failure: links are cut often. */
  async function receive(upload: string, descriptor: Descriptor, source: ContentSource, signal: AbortSignal) {
    for (let failures = 0; ; ) {
      const before = await sizeOf(upload)
      try {
        if (before < descriptor.size || before === 0) await receiveFrom(before, upload, descriptor, source, signal)
        return
      } catch (error) {
        signal.throwIfAborted()
        failures = (await sizeOf(upload)) > before ? 1 : failures + 1
        if (failures >= attempts || !isRetryable(error)) throw error
        await pause(pauseMs(failures), undefined, { signal })
      }
    }
  }

  async function receiveFrom(
    offset: number,
    upload: string,
    descriptor: Descriptor,
    source: ContentSource,
    signal: AbortSignal
  ) {
    const { start, bytes } = await source.blob(descriptor, offset, signal)
    const fresh = start < offset ? skip(bytes, offset - start) : bytes
    await blobs.append(upload, counted(fresh, onBytes), { at: offset, signal })
  }

  async function sizeOf(upload: string): Promise<number> {
    return (await blobs.uploadState(upload))?.size ?? 0
  }

  return {
    bring(descriptor, source, signal) {
      const already = running.get(descriptor.digest)
      if (already) return already
      const started = places
        .take(signal)
        .then((leave) => transfer(descriptor, source, signal).finally(leave))
        .finally(() => running.delete(descriptor.digest))
      running.set(descriptor.digest, started)
      return started
    }
  }
}

/** A bounded number of places; who comes later waits in order. */
export function createPlaces(count: number): { take(signal: AbortSignal): Promise<() => void> } {
  const waiting: (() => void)[] = []
  let free = count
  const leave = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
  return {
    async take(signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return once(leave)
      }
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          signal.removeEventListener('abort', abort)
          resolve()
        }
        const abort = () => {
          waiting.splice(waiting.indexOf(enter), 1)
          reject(signal.reason)
        }
        waiting.push(enter)
        signal.addEventListener('abort', abort, { once: true })
      })
      return once(leave)
    }
  }
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (!done) act()
    done = true
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true
}

function jitteredPause(attempt: number): number {
  return 250 * 2 ** attempt * (0.5 + Math.random())
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    yield chunk
    onBytes(chunk.byteLength)
  }
}

async function* skip(bytes: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count
  for await (const chunk of bytes) {
    if (chunk.byteLength <= left) left -= chunk.byteLength
    else {
      yield left > 0 ? chunk.subarray(left) : chunk
      left = 0
    }
  }
}
