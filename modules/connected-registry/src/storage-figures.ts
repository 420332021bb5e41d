import { statfs } from 'node:fs/promises'
import type { Registry } from './registry/registry.ts'
import type { Store } from './store.ts'

/** What the store holds, and how much room it has. */
export interface StorageFigures {
  readonly repositories: number
  readonly manifests: number
  readonly blobs: number
  readonly bytes: number
  readonly freeBytes: number
}

const pageSize = 1000

/** Walks the catalog and the blobs: for after an iteration that changed something, not for every request. */
export async function countStorage(
  registry: Registry,
  { blobs }: Pick<Store, 'blobs'>,
  dataVolume: string,
  signal: AbortSignal
): Promise<StorageFigures> {
  let manifests = 0
  const repositories = await allPages((after) => registry.repositories.list({ after, limit: pageSize }))
  for (const repository of repositories) {
    signal.throwIfAborted()
    const list = async (after?: string) =>
      (await registry.manifests.list(repository, { after, limit: pageSize })).map(({ digest }) => digest as string)
    manifests += (await allPages(list)).length
  }
  let count = 0
  let bytes = 0
  for await (const digest of blobs.list()) {
    signal.throwIfAborted()
    count++
    bytes += (await blobs.stat(digest))?.size ?? 0
  }
  const { bavail, bsize } = await statfs(dataVolume)
  return { repositories: repositories.length, manifests, blobs: count, bytes, freeBytes: bavail * bsize }
}

async function allPages(page: (after?: string) => Promise<readonly string[]>): Promise<readonly string[]> {
  const all: string[] = []
  for (;;) {
    const found = await page(all.at(-1))
    all.push(...found)
    if (found.length < pageSize) return all
  }
}
