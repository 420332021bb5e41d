import { setTimeout as pause } from 'node:timers/promises'
import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import { createPlaces } from './places.ts'
import { isPassing } from './problems.ts'

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

/** Who is asked to wait longer gives up; a later round asks again. */
const longestPauseMs = 60_000

export function createTransfers(options: TransferOptions): Transfers {
  const { blobs, concurrency, attempts = 4, pauseMs = jitteredPause, onBytes = () => {} } = options
  const running = new Map<Digest, Transfer>()
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
        failures = (await sizeOf(upload)) > before ? 0 : failures + 1
        const wait = Math.max(pauseMs(failures), askedPauseMs(error))
        if (failures >= attempts || !isPassing(error) || wait > longestPauseMs) throw error
        await pause(wait, undefined, { signal })
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
    const content = await source.blob(descriptor, offset, signal)
    const { start, bytes } = content
    const fresh = start < offset ? skip(bytes, offset - start) : bytes
    try {
      await blobs.append(upload, counted(fresh, onBytes), { at: offset, signal })
    } finally {
      // A store that refuses before it reads leaves the bytes, and what they come over, to us.
      content.close?.()
    }
  }

  async function sizeOf(upload: string): Promise<number> {
    return (await blobs.uploadState(upload))?.size ?? 0
  }

  function begin(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void> {
    const done = places
      .take(signal)
      .then((leave) => transfer(descriptor, source, signal).finally(leave))
      .finally(() => running.delete(descriptor.digest))
    running.set(descriptor.digest, { done, size: descriptor.size, source, signal })
    return done
  }

  return {
    async bring(descriptor, source, signal) {
      for (;;) {
        signal.throwIfAborted()
        const already = running.get(descriptor.digest)
        if (!already) return begin(descriptor, source, signal)
        try {
          return await unlessAborted(already.done, signal)
        } catch (error) {
          if (isOurs(already, descriptor, source)) throw error
        }
      }
    }
  }
}

interface Transfer {
  readonly done: Promise<void>
  readonly size: number
  readonly source: ContentSource
  readonly signal: AbortSignal
}

/** Who began it may be called off, may not read it where they look, or expect another size: then their failure is not ours. */
function isOurs({ signal, source, size }: Transfer, descriptor: Descriptor, ours: ContentSource): boolean {
  return !signal.aborted && source === ours && size === descriptor.size
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** How long the other side, or the breaker in front of it, asks us to wait. */
function askedPauseMs(error: unknown): number {
  if (!(error instanceof Error) || !('retryAfterMs' in error)) return 0
  return typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 0
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
