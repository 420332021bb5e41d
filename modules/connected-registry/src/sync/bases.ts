import { type Digest, parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Batch, Json, RecordStore } from '../storage/record-store.ts'

/**
 * What this registry and its parent last agreed on, one record a reference. A base counts only in the epoch it was made
 * in: another parent, or one that lost its store, has agreed on nothing yet.
 */
export interface Bases {
  read(repository: string, epoch: string): Promise<ReadonlyMap<string, Digest>>
  /** Whether both sides hold the reference, as they last agreed in this epoch. */
  holds(repository: string, reference: string, epoch: string): Promise<boolean>
  /** The batch that notes an agreement, to be written along with what was agreed on. */
  agreed(repository: string, reference: string, digest: Digest, epoch: string): Batch
  forgotten(repository: string, reference: string): Batch
  commit(batch: Batch): Promise<void>
  /** Forgets a whole repository, with how far it was looked through. */
  drop(repository: string): Promise<void>
  looked(repository: string): Promise<Looked | undefined>
  saveLooked(repository: string, looked: Looked): Promise<void>
}

/** How the parent described a repository when it was last brought into agreement whole. */
export interface Looked {
  readonly epoch: string
  readonly lastUpdateTime: string
  readonly tagCount: number
  readonly manifestCount: number
}

const pageSize = 1000

export function createBases(records: RecordStore): Bases {
  return {
    async read(repository, epoch) {
      const found = new Map<string, Digest>()
      const prefix = keys.bases(repository)
      for await (const [key, value] of pages(records, prefix)) {
        const base = parseBase(value)
        if (base?.epoch === epoch) found.set(key.slice(prefix.length), base.digest)
      }
      return found
    },
    async holds(repository, reference, epoch) {
      const value = await records.get(keys.base(repository, reference))
      return value !== undefined && parseBase(value)?.epoch === epoch
    },
    agreed: (repository, reference, digest, epoch) => ({
      put: [[keys.base(repository, reference), { digest, epoch }]]
    }),
    forgotten: (repository, reference) => ({ remove: [keys.base(repository, reference)] }),
    commit: (batch) => records.commit(batch),
    async drop(repository) {
      const stale: string[] = [keys.looked(repository)]
      for await (const [key] of pages(records, keys.bases(repository))) stale.push(key)
      for (let at = 0; at < stale.length; at += pageSize) {
        await records.commit({ remove: stale.slice(at, at + pageSize) })
      }
    },
    async looked(repository) {
      return (await records.get(keys.looked(repository))) as Looked | undefined
    },
    saveLooked: (repository, looked) => records.commit({ put: [[keys.looked(repository), { ...looked }]] })
  }
}

async function* pages(records: RecordStore, prefix: string): AsyncGenerator<readonly [string, Json | Uint8Array]> {
  for (let after: string | undefined; ; ) {
    const page = await records.list(prefix, { after, limit: pageSize })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)![0]
  }
}

function parseBase(value: Json | Uint8Array): { digest: Digest; epoch: string } | undefined {
  const { digest, epoch } = value as { digest: string; epoch: string }
  const parsed = parseDigest(digest)
  return parsed && { digest: parsed, epoch }
}
