import type { Digest } from '../protocol/digest.ts'
import type { BlobStore } from './blob-store.ts'
import type { DiskGuard } from './disk-guard.ts'

/** Bytes of one upload between two questions. */
const askEveryBytes = 16 * 1024 * 1024

/**
 * A blob store that takes in nothing which the disk has no room for: StoreError `ENOSPC` or `EDQUOT` before an upload begins and
 * while its bytes come. Reading and removing go on.
 */
export function guardBlobs(blobs: BlobStore, guard: DiskGuard): BlobStore {
  const usage = createUsage(blobs)
  guard.useUsage(usage.bytes)

  async function* admitted(id: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let since = 0
    for await (const chunk of content) {
      since += chunk.length
      usage.arrived(id, chunk.length)
      if (since >= askEveryBytes) {
        await guard.admit()
        since = 0
      }
      yield chunk
    }
  }

  return {
    ...blobs,
    async beginUpload() {
      await guard.admit()
      return blobs.beginUpload()
    },
    async append(id, content, options) {
      await guard.admit()
      return blobs.append(id, admitted(id, content), options)
    },
    async commit(id, expected) {
      try {
        const known = await usage.sizeOf(expected)
        const descriptor = await blobs.commit(id, expected)
        usage.changed(expected, descriptor.size - known)
        return descriptor
      } finally {
        usage.ended(id)
      }
    },
    async cancel(id) {
      try {
        return await blobs.cancel(id)
      } finally {
        usage.ended(id)
      }
    },
    async remove(digest) {
      const known = await usage.sizeOf(digest)
      const removed = await blobs.remove(digest)
      if (removed) usage.changed(digest, -known)
      return removed
    },
    async quarantine(digest) {
      const known = await usage.sizeOf(digest)
      const moved = await blobs.quarantine(digest)
      if (moved) usage.changed(digest, -known)
      return moved
    }
  }
}

/** Bytes of all blobs and of what is arriving: counted when they are first asked for, and kept up from then on. */
function createUsage(blobs: BlobStore) {
  const arriving = new Map<string, number>()
  let counting: Promise<number> | undefined
  /** The last digest that was counted; what happens behind it will be counted as it is then. */
  let counted = ''
  let changes = 0
  /** Uploads that ended while the open ones are looked through: an entry of that list may come late. */
  let over: Set<string> | undefined

  async function count(): Promise<number> {
    await countUploads()
    let bytes = 0
    for await (const digest of blobs.list()) {
      counted = digest
      bytes += (await blobs.stat(digest))?.size ?? 0
    }
    counted = aboveAllDigests
    return bytes
  }

  /** What an upload held before this process went on with it counts as well. */
  async function countUploads(): Promise<void> {
    const ended = new Set<string>()
    over = ended
    for await (const { id, size } of blobs.listUploads()) {
      if (!ended.has(id)) arriving.set(id, Math.max(size, arriving.get(id) ?? 0))
    }
    over = undefined
  }

  /** A count that failed is worth nothing; who asks next begins a new one. */
  function forget(error: unknown): never {
    counting = undefined
    counted = ''
    changes = 0
    over = undefined
    throw error
  }

  return {
    async bytes(): Promise<number> {
      counting ??= count().catch(forget)
      const atFirst = await counting
      return [...arriving.values()].reduce((sum, bytes) => sum + bytes, atFirst + changes)
    },
    /** 0 where nobody counts. */
    async sizeOf(digest: Digest): Promise<number> {
      return counting ? ((await blobs.stat(digest))?.size ?? 0) : 0
    },
    changed(digest: Digest, bytes: number): void {
      if (digest <= counted) changes += bytes
    },
    arrived(id: string, bytes: number): void {
      arriving.set(id, (arriving.get(id) ?? 0) + bytes)
    },
    ended(id: string): void {
      arriving.delete(id)
      over?.add(id)
    }
  }
}

const aboveAllDigests = '~'
