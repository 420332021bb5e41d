import { setTimeout as pause } from 'node:timers/promises'
import type { BlobContent, ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { BlobStore, ByteRange, UploadState } from '../storage/blob-store.ts'
import type { Pace } from './pace.ts'
import type { Places } from './places.ts'
import { isPassing } from './problems.ts'

export interface ReceiveOptions {
  readonly blobs: BlobStore
  /** For the parts that come beside the first one; whoever receives holds a place already. */
  readonly places: Places
  readonly pace: Pace
  /** Attempts without a single new byte before it is given up. */
  readonly attempts: number
  readonly pauseMs: (attempt: number) => number
  readonly partBytes: number
  readonly onBytes: (count: number) => void
}

export interface Wanted extends WantedBlob {
  readonly upload: string
  /** Asked for before the upload was there. */
  readonly ahead?: AskedAhead | undefined
}

export interface WantedBlob {
  readonly descriptor: Descriptor
  readonly source: ContentSource
  readonly signal: AbortSignal
}

/** A whole blob on its way here. */
export interface AskedAhead {
  /** Undefined: somebody has taken it. */
  take(): Promise<BlobContent> | undefined
  /** Nobody will. */
  drop(): void
}

/** Who is asked to wait longer gives up; a later round asks again. */
const longestPauseMs = 60_000
/** Blobs of fewer parts come in one piece. */
const leastParts = 3
/** So many come in one request while other blobs have all the places: then it is seen whether some are free by now. */
const stretchParts = 4

/** Brings what an upload does not hold yet. An attempt that brought bytes is no failure: links are cut often. */
export async function receive(options: ReceiveOptions, wanted: Wanted): Promise<void> {
  const { attempts, pauseMs } = options
  const receiver = createReceiver(options, wanted)
  for (let failures = 0; ; ) {
    const before = await receiver.held()
    try {
      return await receiver.receive()
    } catch (error) {
      wanted.signal.throwIfAborted()
      failures = (await receiver.held()) > before ? 0 : failures + 1
      const wait = Math.max(pauseMs(failures), askedPauseMs(error))
      if (failures >= attempts || !isPassing(error) || wait > longestPauseMs) throw error
      await pause(wait, undefined, { signal: wanted.signal })
    }
  }
}

/** Asks for a blob of which nothing is here, where it will come in one piece: the parent's work and ours go on side by side. */
export function askAhead(options: ReceiveOptions, { descriptor, source, signal }: WantedBlob): AskedAhead | undefined {
  if (options.pace.isLong !== false && isLarge(options, descriptor)) return undefined
  let asked: Promise<BlobContent> | undefined = source.blob(descriptor, 0, signal)
  const take = () => {
    const taken = asked
    asked = undefined
    return taken
  }
  // Its failure is told to who takes it.
  asked.catch(() => undefined)
  return {
    take,
    drop: () =>
      void take()?.then(
        (content) => content.close?.(),
        () => undefined
      )
  }
}

function isLarge({ partBytes }: ReceiveOptions, { size }: Descriptor): boolean {
  return size >= leastParts * partBytes
}

function createReceiver(options: ReceiveOptions, { upload, descriptor, source, signal, ahead }: Wanted) {
  const { blobs, places, pace, partBytes, onBytes } = options
  const { size } = descriptor
  let givesParts = true

  async function state(): Promise<UploadState> {
    return (await blobs.uploadState(upload)) ?? { size: 0, end: 0, missing: [] }
  }

  /** The beginning of a gap, or all of it; all of it also where the source gives no parts and would begin anew with the next one. */
  async function inOrder(range: ByteRange, gap = range): Promise<void> {
    const content = await open(range)
    givesParts &&= content.start === range.first
    await append(content, givesParts ? range : gap, false)
  }

  /** One of several at once: a source that begins elsewhere gives no parts, and would give the whole blob to each. */
  async function part(range: ByteRange): Promise<void> {
    const content = await open(range)
    if (content.start === range.first) return append(content, range, true)
    content.close?.()
    givesParts = false
  }

  function open({ first, last }: ByteRange): Promise<BlobContent> {
    const isEnd = last === size - 1
    return (first === 0 && isEnd && ahead?.take()) || source.blob(descriptor, first, signal, isEnd ? undefined : last)
  }

  async function append(content: BlobContent, { first, last }: ByteRange, sparse: boolean): Promise<void> {
    const measured = pace.measure(counted(within(content, first, last), onBytes))
    try {
      await blobs.append(upload, measured, { at: first, sparse, signal })
    } finally {
      // A store that refuses before it reads leaves the bytes, and what they come over, to us.
      content.close?.()
    }
  }

  /** As many at once as there are parts and free places; who waits for a place comes first. */
  async function inParts(parts: readonly ByteRange[]): Promise<void> {
    const queue = [...parts]
    const beside: Promise<void>[] = []
    let failure: { readonly error: unknown } | undefined
    const goesOn = () => givesParts && failure === undefined

    function recruit(): void {
      while (queue.length > 0 && goesOn()) {
        const leave = places.takeFree()
        if (!leave) return
        beside.push(work(() => places.waiting > 0).finally(leave))
      }
    }

    async function work(isEnough: () => boolean): Promise<void> {
      for (let range = queue.shift(); range; range = queue.shift()) {
        await part(range).catch((error: unknown) => {
          failure ??= { error }
        })
        if (!goesOn() || isEnough()) return
        recruit()
      }
    }

    const own = work(() => false)
    recruit()
    await own
    // Those that are at work may bring others along.
    for (let ended = 0; ended < beside.length; ended++) await beside[ended]
    if (failure) throw failure.error
  }

  async function step(gaps: readonly ByteRange[]): Promise<void> {
    const [gap] = gaps
    if (!gap) return
    if (!isLarge(options, descriptor) || !givesParts || pace.isLong === false) return inOrder(gap)
    // What came of others has told since that the link is long: nobody will read all of it in one piece.
    ahead?.drop()
    // Other blobs fill the link, and what comes in order is hashed as it comes.
    if (!places.isFree) return inOrder(partsOf(gap, stretchParts * partBytes)[0]!, gap)
    const parts = gaps.flatMap((range) => partsOf(range, partBytes))
    // The first one tells how long the link is.
    return pace.isLong && parts.length > 1 ? inParts(parts) : inOrder(parts[0]!, gap)
  }

  return {
    async held(): Promise<number> {
      const { end, missing } = await state()
      return missing.reduce((sum, { first, last }) => sum - (last + 1 - first), end)
    },
    async receive(): Promise<void> {
      if (size === 0) return inOrder({ first: 0, last: -1 })
      for (let gaps = gapsOf(await state(), size); gaps.length > 0; gaps = gapsOf(await state(), size)) {
        await step(gaps)
      }
    }
  }
}

function gapsOf({ end, missing }: UploadState, size: number): readonly ByteRange[] {
  return end < size ? [...missing, { first: end, last: size - 1 }] : missing
}

function partsOf({ first, last }: ByteRange, partBytes: number): readonly ByteRange[] {
  const count = Math.ceil((last + 1 - first) / partBytes)
  return Array.from({ length: count }, (_, index) => {
    const from = first + index * partBytes
    return { first: from, last: Math.min(from + partBytes - 1, last) }
  })
}

/** The bytes from `first` to `last`, whatever comes before and behind them. */
async function* within({ start, bytes }: BlobContent, first: number, last: number): AsyncGenerator<Uint8Array> {
  let at = start
  for await (const chunk of bytes) {
    const wanted = chunk.subarray(Math.max(0, first - at), last + 1 - at)
    if (wanted.byteLength > 0) yield wanted
    at += chunk.byteLength
    if (at > last + 1) return
  }
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

/** How long the other side, or the breaker in front of it, asks us to wait. */
function askedPauseMs(error: unknown): number {
  if (!(error instanceof Error) || !('retryAfterMs' in error)) return 0
  return typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 0
}
