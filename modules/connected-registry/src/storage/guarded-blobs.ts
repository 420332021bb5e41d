import type { Digest } from '../protocol/digest.ts'
import type { BlobStore } from './blob-store.ts'
import type { DiskGuard } from './disk-guard.ts'
import { createRunningTotal, type RunningTotal } from './running-total.ts'

export interface GuardedBlobs extends BlobStore {
  /** Of the blobs that are here. */
  readonly total: RunningTotal
}

/** Bytes of one upload between two questions. */
const askEveryBytes = 16 * 1024 * 1024

/**
 * A blob store that takes in nothing which the disk has no room for: StoreError `ENOSPC` or `EDQUOT` before an upload begins and
 * while its bytes come. Reading and removing go on.
 */
export function guardBlobs(blobs: BlobStore, guard: DiskGuard): GuardedBlobs {
  const usage = createUsage(blobs)
  guard.addUsage(usage.bytes)

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
    total: usage.stored,
    async beginUpload(options) {
      await guard.admit()
      return blobs.beginUpload(options)
    },
    async append(id, content, options) {
      await guard.admit()
      return blobs.append(id, admitted(id, content), options)
    },
    async commit(id, expected) {
      const coming = usage.coming(expected)
      try {
        const known = await usage.sizeOf(expected)
        const descriptor = await blobs.commit(id, expected)
        if (known === undefined) coming.added(descriptor.size)
        return descriptor
      } finally {
        coming.end()
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
      if (removed) usage.removed(digest, known)
      return removed
    },
    async quarantine(digest) {
      const known = await usage.sizeOf(digest)
      const moved = await blobs.quarantine(digest)
      if (moved) usage.removed(digest, known)
      return moved
    }
  }
}

/** Bytes of all blobs and of what is arriving. */
function createUsage(blobs: BlobStore) {
  const stored = createRunningTotal(() => sizes(blobs))
  const arriving = new Map<string, number>()
  const committing = new Map<Digest, { open: number; isCounted: boolean }>()
  let counting: Promise<void> | undefined
  /** Uploads that ended while the open ones are looked through: an entry of that list may come late. */
  let over: Set<string> | undefined

  /** What an upload held before this process went on with it counts as well. */
  async function countUploads(): Promise<void> {
    const ended = new Set<string>()
    over = ended
    for await (const { id, size } of blobs.listUploads()) {
      if (!ended.has(id)) arriving.set(id, Math.max(size, arriving.get(id) ?? 0))
    }
    over = undefined
  }

  /** Who asks next looks through them anew. */
  function forget(error: unknown): never {
    counting = undefined
    over = undefined
    throw error
  }

  return {
    stored,
    async bytes(): Promise<number> {
      counting ??= countUploads().catch(forget)
      await counting
      const { bytes } = await stored.read()
      return [...arriving.values()].reduce((sum, one) => sum + one, bytes)
    },
    /** Undefined: it is not here, or nobody counts. */
    async sizeOf(digest: Digest): Promise<number | undefined> {
      return stored.isKept ? (await blobs.stat(digest))?.size : undefined
    },
    /** Commits of one digest at once find it missing, each of them, and bring one blob: the first that is done counts it. */
    coming(digest: Digest) {
      const commits = committing.get(digest) ?? { open: 0, isCounted: false }
      commits.open++
      committing.set(digest, commits)
      return {
        added(bytes: number): void {
          if (!commits.isCounted) stored.changed(digest, { count: 1, bytes })
          commits.isCounted = true
        },
        end(): void {
          if (--commits.open === 0) committing.delete(digest)
        }
      }
    },
    removed(digest: Digest, bytes: number | undefined): void {
      if (bytes !== undefined) stored.changed(digest, { count: -1, bytes: -bytes })
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

async function* sizes(blobs: BlobStore): AsyncGenerator<[Digest, number]> {
  for await (const digest of blobs.list()) {
    const size = (await blobs.stat(digest))?.size
    if (size !== undefined) yield [digest, size]
  }
}
