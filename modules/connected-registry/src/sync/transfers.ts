import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { type BlobStore, DigestMismatchError } from '../storage/blob-store.ts'
import { createPace, type Pace } from './pace.ts'
import { createPlaces } from './places.ts'
import { askAhead, type ReceiveOptions, receive, type Wanted } from './receive.ts'
import type { OpenTransfer, TransferJournal } from './transfer-journal.ts'

/** Brings blobs into the store: a bounded number at once, one transfer of a digest at a time however many want it. */
export interface Transfers {
  /** Resolves when the blob is in the store, verified and durable. What came before a failure is kept for the next one. */
  bring(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void>
  /** There is something to bring, and its manifest is on its way: the store may get ready. */
  wake(): void
}

export interface TransferOptions
  extends Partial<Pick<ReceiveOptions, 'attempts' | 'pauseMs' | 'partBytes' | 'onBytes'>> {
  readonly blobs: BlobStore
  readonly journal: TransferJournal
  /** Connections that bring content at once, over all repositories; as many more bring small blobs. */
  readonly concurrency: number
  /** The size up to which a blob is small. */
  readonly smallBytes?: number
  readonly pace?: Pace
  /** Spans of time. */
  readonly now?: () => number
}

/** Beginnings of a blob that turned out to be something else, in one round. */
const beginnings = 2
/** A parent whose content is wrong again and again is not asked for it in every round: it costs all its bytes. */
const spoiledLimit = { rounds: 3, pauseMs: 3_600_000 }
const usualPartBytes = 8 * 1024 * 1024
/** They take a round trip and next to no memory, and must not wait for the large ones. */
const usualSmallBytes = 64 * 1024

export function createTransfers(options: TransferOptions): Transfers {
  const { blobs, journal, concurrency, smallBytes = usualSmallBytes, now = () => performance.now() } = options
  const running = new Map<Digest, Transfer>()
  const [places, smallPlaces] = [createPlaces(concurrency), createPlaces(concurrency)]
  const receiving: ReceiveOptions = {
    attempts: 4,
    pauseMs: jitteredPause,
    partBytes: usualPartBytes,
    onBytes: () => {},
    pace: createPace(),
    ...options,
    places
  }
  const spoiled = createSpoiled(now)

  async function transfer(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void> {
    const { digest } = descriptor
    if (await blobs.stat(digest)) return
    spoiled.check(digest)
    for (let left = beginnings; ; left--) {
      try {
        await attempt(descriptor, source, signal)
        return spoiled.forget(digest)
      } catch (error) {
        if (!(error instanceof DigestMismatchError)) throw error
        if (left > 1) continue
        spoiled.note(digest, error)
        throw error
      }
    }
  }

  async function attempt(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void> {
    const { digest } = descriptor
    const ahead = journal.knows(digest) ? undefined : askAhead(receiving, { descriptor, source, signal })
    try {
      await bringInto(await journal.open(descriptor), { descriptor, source, signal, ahead })
    } finally {
      ahead?.drop()
    }
  }

  async function bringInto({ upload, noted }: OpenTransfer, wanted: Omit<Wanted, 'upload'>): Promise<void> {
    const { digest } = wanted.descriptor
    const unnoted = new AbortController()
    // Thrown by who waits for it.
    const isNoted = noted.catch((error: unknown) => unnoted.abort(error))
    const signal = AbortSignal.any([wanted.signal, unnoted.signal])
    try {
      await receive(receiving, { ...wanted, upload, signal }).finally(() => isNoted)
      signal.throwIfAborted()
      await blobs.commit(upload, digest)
    } catch (error) {
      if (error instanceof DigestMismatchError) await journal.end(digest, upload)
      await journal.leave(digest, upload)
      // Room for what clients push counts for more than what may be fetched again.
      if (isFull(error)) await journal.drop()
      throw error
    }
    await journal.end(digest, upload)
  }

  function begin(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void> {
    const done = (descriptor.size <= smallBytes ? smallPlaces : places)
      .take(signal)
      .then((leave) => transfer(descriptor, source, signal).finally(leave))
      .finally(() => running.delete(descriptor.digest))
    running.set(descriptor.digest, { done, size: descriptor.size, source, signal })
    return done
  }

  return {
    wake: blobs.wake,
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

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

function jitteredPause(attempt: number): number {
  return 250 * 2 ** attempt * (0.5 + Math.random())
}

/** Blobs that a parent sent wrong, round after round. */
function createSpoiled(now: () => number) {
  const rounds = new Map<Digest, { readonly count: number; readonly error: Error; readonly at: number }>()
  return {
    /** Throws what was wrong, where it is too early to ask again. */
    check(digest: Digest): void {
      const known = rounds.get(digest)
      if (known && known.count >= spoiledLimit.rounds && now() - known.at < spoiledLimit.pauseMs) throw known.error
    },
    note(digest: Digest, error: Error): void {
      rounds.set(digest, { count: (rounds.get(digest)?.count ?? 0) + 1, error, at: now() })
    },
    forget: (digest: Digest) => void rounds.delete(digest)
  }
}
