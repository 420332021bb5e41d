import { untilAborted } from './abortable-content.ts'
import {
  type AppendOptions,
  type ByteRange,
  UploadOffsetError,
  type UploadState,
  UploadUnknownError
} from './blob-store.ts'
import { addRange, type ByteRanges, endOf, stateOf } from './byte-ranges.ts'
import { createTurns } from './turns.ts'

/**
 * The rules of one upload, the same for every medium: which bytes are here, who may write now, and when it is over.
 * Sequential appends and the end take turns; sparse appends run side by side.
 */
export interface UploadSession {
  state(): UploadState
  /** The offset after the highest byte written. */
  end(): number
  append(content: AsyncIterable<Uint8Array>, options: AppendOptions, medium: AppendMedium): Promise<number>
  /** Runs alone. The upload is over unless the work throws and has not called `finish` itself. */
  complete<T>(work: (finish: () => void) => Promise<T>): Promise<T>
  /** Interrupts the appends under way and those that wait: they reject with the reason. */
  interrupt(reason: Error): void
}

/** Writes the content from `at` on and tells `wrote` of each range once it is there. */
export type AppendMedium = (
  content: AsyncIterable<Uint8Array>,
  at: number,
  wrote: (range: ByteRange) => void
) => Promise<void>

export function createUploadSession(id: string, written: ByteRanges): UploadSession {
  const turns = createTurns()
  const interruption = new AbortController()
  let ranges = written
  let over = false

  function checkOpen(): void {
    if (over) throw new UploadUnknownError(id)
  }

  function checkOffset(at: number, sparse: boolean): void {
    const { size } = stateOf(ranges)
    if (!sparse && at !== size) throw new UploadOffsetError(size, at)
    if (!Number.isSafeInteger(at) || at < 0) throw new RangeError(`an upload has no offset ${at}`)
  }

  return {
    state: () => stateOf(ranges),
    end: () => endOf(ranges),
    append(content, { at, sparse = false, signal }, medium) {
      const until = signal ? AbortSignal.any([signal, interruption.signal]) : interruption.signal
      const turn = sparse ? turns.shared : turns.exclusive
      return turn(async () => {
        checkOpen()
        checkOffset(at, sparse)
        let next = at
        await medium(untilAborted(content, until), at, (range) => {
          ranges = addRange(ranges, range)
          next = range.last + 1
        })
        return next
      }, until)
    },
    complete(work) {
      return turns.exclusive(async () => {
        checkOpen()
        const finish = () => {
          over = true
        }
        const result = await work(finish)
        finish()
        return result
      })
    },
    interrupt: (reason) => interruption.abort(reason)
  }
}
