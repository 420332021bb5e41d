import { randomUUID } from 'node:crypto'
import { algorithmOf, type Digest, digestOf } from '../protocol/digest.ts'
import { type BlobReader, type BlobStore, DigestMismatchError, UploadUnknownError } from './blob-store.ts'
import { checkRange } from './byte-ranges.ts'
import { createUploadSession, type UploadSession } from './upload-session.ts'

interface Upload {
  readonly session: UploadSession
  readonly bytes: GrowingBytes
  writtenAt: Date
}

/** Blobs in this process's memory: for tests, and the second medium that keeps the seam honest. */
export function createMemoryBlobStore(): BlobStore {
  const blobs = new Map<Digest, Uint8Array>()
  const quarantined = new Set<Digest>()
  const uploads = new Map<string, Upload>()

  function find(id: string): Upload {
    const upload = uploads.get(id)
    if (!upload) throw new UploadUnknownError(id)
    return upload
  }

  return {
    async stat(digest) {
      const bytes = blobs.get(digest)
      return bytes && { size: bytes.length }
    },
    async open(digest, range) {
      const bytes = blobs.get(digest)
      if (!bytes) return undefined
      const { first, last } = checkRange(bytes.length, range)
      return memoryReader(bytes.subarray(first, last + 1), bytes.length)
    },
    async remove(digest) {
      return blobs.delete(digest)
    },
    async *list() {
      yield* [...blobs.keys()].sort()
    },
    async quarantine(digest) {
      if (!blobs.delete(digest)) return false
      quarantined.add(digest)
      return true
    },
    quarantined,
    async beginUpload() {
      const id = randomUUID()
      uploads.set(id, { session: createUploadSession(id, []), bytes: createGrowingBytes(), writtenAt: new Date() })
      return id
    },
    wake() {},
    async uploadState(id) {
      return uploads.get(id)?.session.state()
    },
    async append(id, content, options) {
      const upload = find(id)
      return upload.session.append(content, options, async (chunks, at, wrote) => {
        let next = at
        for await (const chunk of chunks) {
          if (chunk.length === 0) continue
          upload.bytes.set(chunk, next)
          upload.writtenAt = new Date()
          wrote({ first: next, last: next + chunk.length - 1 })
          next += chunk.length
        }
      })
    },
    async commit(id, expected) {
      const { session, bytes } = find(id)
      return session.complete(async (finish) => {
        finish()
        uploads.delete(id)
        const content = bytes.copy(session.end())
        const actual = digestOf(content, algorithmOf(expected))
        if (actual !== expected) throw new DigestMismatchError(expected, actual)
        blobs.set(expected, content)
        quarantined.delete(expected)
        return { digest: expected, size: content.length }
      })
    },
    async cancel(id) {
      const upload = uploads.get(id)
      if (!upload) return false
      uploads.delete(id)
      upload.session.interrupt(new UploadUnknownError(id))
      return true
    },
    async *listUploads() {
      for (const [id, { session, writtenAt }] of uploads) yield { id, size: session.state().size, writtenAt }
    },
    async close() {
      for (const { session } of uploads.values()) session.interrupt(new Error('the blob store is closed'))
    }
  }
}

function memoryReader(bytes: Uint8Array, size: number): BlobReader {
  let position = 0
  let closed = false
  return {
    size,
    async read(into) {
      if (position === bytes.length) return 0
      if (closed) throw new Error(`the reader was closed at ${position} of ${bytes.length} bytes`)
      const part = bytes.subarray(position, position + into.length)
      into.set(part)
      position += part.length
      return part.length
    },
    async close() {
      closed = true
    }
  }
}

interface GrowingBytes {
  set(chunk: Uint8Array, at: number): void
  /** The first `size` bytes; holes are zeros. */
  copy(size: number): Uint8Array
}

function createGrowingBytes(): GrowingBytes {
  let bytes = new Uint8Array(1024)
  return {
    set(chunk, at) {
      if (at + chunk.length > bytes.length) {
        const larger = new Uint8Array(Math.max(bytes.length * 2, at + chunk.length))
        larger.set(bytes)
        bytes = larger
      }
      bytes.set(chunk, at)
    },
    copy: (size) => bytes.slice(0, size)
  }
}
