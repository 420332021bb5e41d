import { type Digest, parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Batch, Json, RecordStore } from '../storage/record-store.ts'
import { readAll } from './record-pages.ts'

/**
 * What this registry and its parent last agreed on, one record a reference. A base counts only in the epoch it was made
 * in: another parent, or one that lost its store, has agreed on nothing yet.
 */
export interface Bases {
  read(repository: string, epoch: string): Promise<ReadonlyMap<string, Digest>>
  /** The same of any epoch: what differs from it here, somebody here has changed. */
  readAny(repository: string): Promise<ReadonlyMap<string, Base>>
  /** Of one reference, in any epoch. */
  get(repository: string, reference: string): Promise<Base | undefined>
  /** Whether anything of the repository was ever agreed on. */
  any(repository: string): Promise<boolean>
  /** Whether both sides hold the reference, as they last agreed in this epoch. */
  holds(repository: string, reference: string, epoch: string): Promise<boolean>
  /** The batch that notes an agreement, to be written along with what was agreed on. */
  agreed(repository: string, reference: string, base: Base): Batch
  forgotten(repository: string, reference: string): Batch
  /** It counts in no epoch any more, and still tells that nobody here has changed what came from a parent. */
  disowned(repository: string, reference: string, digest: Digest): Batch
  /** Durable before we make it above ourselves: what the parent says then of its creation is no news of anybody there. */
  forgetSince(repository: string, reference: string): Promise<void>
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

export interface Base {
  readonly digest: Digest
  readonly epoch: string
  /** What the parent said of its creation (`sinceAbove`). Undefined: it did not, or it was we who brought it there. */
  readonly since?: string | undefined
  /** Which platforms of an index were wanted then (`PlatformChoice`). Undefined: all. */
  readonly platforms?: string | undefined
}

const pageSize = 1000

export function createBases(records: RecordStore): Bases {
  return {
    async read(repository, epoch) {
      const found = new Map<string, Digest>()
      for (const [reference, base] of await basesOf(records, repository))
        if (base.epoch === epoch) found.set(reference, base.digest)
      return found
    },
    readAny: (repository) => basesOf(records, repository),
    async get(repository, reference) {
      const value = await records.get(keys.base(repository, reference))
      return value === undefined ? undefined : parseBase(value)
    },
    any: async (repository) => (await records.list(keys.bases(repository), { limit: 1 })).length > 0,
    async holds(repository, reference, epoch) {
      const value = await records.get(keys.base(repository, reference))
      return value !== undefined && parseBase(value)?.epoch === epoch
    },
    agreed: (repository, reference, base) => ({ put: [[keys.base(repository, reference), recordOf(base)]] }),
    forgotten: (repository, reference) => ({ remove: [keys.base(repository, reference)] }),
    disowned: (repository, reference, digest) => ({ put: [[keys.base(repository, reference), { digest, epoch: '' }]] }),
    async forgetSince(repository, reference) {
      const key = keys.base(repository, reference)
      const value = await records.get(key)
      const base = value === undefined ? undefined : parseBase(value)
      if (base?.since === undefined) return
      await records.commit({ put: [[key, recordOf({ ...base, since: undefined })]] })
    },
    commit: (batch) => records.commit(batch),
    async drop(repository) {
      const stale: string[] = [keys.looked(repository)]
      for await (const [key] of readAll(records, keys.bases(repository))) stale.push(key)
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

/** Of any epoch, by reference. */
export async function basesOf(records: RecordStore, repository: string): Promise<ReadonlyMap<string, Base>> {
  const found = new Map<string, Base>()
  const prefix = keys.bases(repository)
  for await (const [key, value] of readAll(records, prefix)) {
    const base = parseBase(value)
    if (base) found.set(key.slice(prefix.length), base)
  }
  return found
}

function recordOf({ digest, epoch, since, platforms }: Base): Json {
  return { digest, epoch, ...(since !== undefined && { since }), ...(platforms !== undefined && { platforms }) }
}

function parseBase(value: Json | Uint8Array): Base | undefined {
  const { digest, ...rest } = value as { digest: string; epoch: string; since?: string; platforms?: string }
  const parsed = parseDigest(digest)
  return parsed && { ...rest, digest: parsed }
}
