import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'

/** Content by digest. Knows nothing of repositories, tags or who is asking. Media: `filesystem.ts`, `memory-blobs.ts`. */
export interface BlobStore {
  stat(digest: Digest): Promise<{ readonly size: number } | undefined>
  /** Undefined: not here. `range` must lie inside the blob (RangeError otherwise). */
  open(digest: Digest, range?: ByteRange): Promise<BlobReader | undefined>
  /** False: it was not here. Readers that are open go on to their end. */
  remove(digest: Digest): Promise<boolean>
  /** In the order of the digests. */
  list(): AsyncIterable<Digest>
  /** Sets content aside that is not what its digest says: nobody gets it any more, and it can come anew. False: it was not here. */
  quarantine(digest: Digest): Promise<boolean>
  /** What was set aside and has not come anew; always as of now. */
  readonly quarantined: ReadonlySet<Digest>

  /** `size`: the bytes to come, where that is known; nothing is promised by it. */
  beginUpload(options?: UploadOptions): Promise<string>
  /** Large content is about to come: what it takes may be made ready meanwhile. A hint, which promises nothing. */
  wake(): void
  /** `size`: bytes from the start without a hole. `missing`: holes below `end`, the offset after the highest byte written. */
  uploadState(id: string): Promise<UploadState | undefined>
  /**
   * Writes `content` at offset `at` and resolves to the offset after it. Sequential appends refuse an `at` that is not the
   * current size with `UploadOffsetError`; `sparse` allows holes, for parallel ranges.
   */
  append(id: string, content: AsyncIterable<Uint8Array>, options: AppendOptions): Promise<number>
  /** Verified against `expected`, durable, then visible, in this order. Throws `DigestMismatchError` and keeps nothing. */
  commit(id: string, expected: Digest): Promise<Pick<Descriptor, 'digest' | 'size'>>
  cancel(id: string): Promise<boolean>
  /** Every upload that is not over, in no particular order. */
  listUploads(): AsyncIterable<UploadEntry>
  close(): Promise<void>
}

/** First and last byte, both included, as in an HTTP Range. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** Reads into buffers the caller owns. Closes itself at the end and on failure; `close` is for who leaves early. */
export interface BlobReader {
  /** Size of the whole blob in bytes, whatever the range. */
  readonly size: number
  /** Bytes written into the buffer; 0 at the end. */
  read(into: Uint8Array): Promise<number>
  close(): Promise<void>
}

export interface UploadState {
  readonly size: number
  readonly end: number
  readonly missing: readonly ByteRange[]
}

export interface UploadEntry {
  readonly id: string
  /** As in `UploadState`. */
  readonly size: number
  /** When bytes last came; at first, when it began. */
  readonly writtenAt: Date
}

export interface UploadOptions {
  readonly size?: number
}

export interface AppendOptions {
  readonly at: number
  readonly sparse?: boolean
  readonly signal?: AbortSignal
}

export class UploadOffsetError extends Error {
  override readonly name = 'UploadOffsetError'
  readonly code = 'UPLOAD_OFFSET'
  readonly size: number

  constructor(size: number, at: number) {
    super(`the upload holds ${size} bytes, the content begins at ${at}`)
    this.size = size
  }
}

export class UploadUnknownError extends Error {
  override readonly name = 'UploadUnknownError'
  readonly code = 'UPLOAD_UNKNOWN'

  constructor(id: string) {
    super(`upload ${id} is unknown`)
  }
}

export class DigestMismatchError extends Error {
  override readonly name = 'DigestMismatchError'
  readonly code = 'DIGEST_MISMATCH'

  constructor(expected: Digest, actual: string) {
    super(`expected ${expected}, the content is ${actual}`)
  }
}
