import { type Digest, parseDigest } from '../protocol/digest.ts'
import { parseManifest } from '../protocol/manifest.ts'
import type { Change, Registry } from '../registry/registry.ts'
import { keys } from '../storage/layout.ts'
import { type Batch, ConflictError, type Entry, type RecordStore } from '../storage/record-store.ts'
import { noteAnew } from './outbound-anew.ts'
import { compareAll } from './outbound-comparison.ts'
import type { Refusal } from './plan.ts'
import { readAll } from './record-pages.ts'

/** A reference that changed here, and of which the parent has not been told; of several changes the last. */
export type OutboundRecord = {
  /** Of the change in the log. */
  readonly sequence: number
  /** A digest's: a client deleted it. */
  readonly removed?: boolean
  /** A digest's: the parent held it before it was changed here. */
  readonly known?: boolean
  /** A digest's: of the manifest with its blobs, as far as they would have to travel. */
  readonly bytes?: number
  /** The parent has been told, and has refused it. */
  readonly refusal?: RefusalRecord
}

export type RefusalRecord = Refusal & {
  /** The parent's own word, or the status of its answer. */
  readonly code: string
  /** RFC 3339, UTC. */
  readonly at: string
  /** Which parent, and to whose token. Undefined in records of earlier releases. */
  readonly host?: string
  readonly tokenName?: string
}

/** What is to go up: the outbound reader of the change log, with a durable cursor. */
export interface Outbound {
  /** Reads on in the change log. What it tells is durable in the same batch as how far it was read. */
  catchUp(): Promise<void>
  /**
   * The same before each of many removals, which are in the log themselves: how far it was read becomes durable with what it tells,
   * or by the next `catchUp`.
   */
  readAhead(): Promise<void>
  /**
   * A parent of another epoch has lost what it was told: all that clients and children brought here, as far as the log tells and as
   * it still is, is to go up again.
   */
  tellAnew(epoch: string): Promise<void>
  of(repository: string): Promise<ReadonlyMap<string, OutboundRecord>>
  get(repository: string, reference: string): Promise<OutboundRecord | undefined>
  repositories(): Promise<ReadonlySet<string>>
  /** The batch that notes that both sides have settled it. It expects that nothing changed here since `record`. */
  settled(repository: string, reference: string, record: OutboundRecord | undefined): Batch
  refused(repository: string, reference: string, record: OutboundRecord, refusal: RefusalRecord): Promise<void>
  /** The parent is asked again about what it has refused: all of it, or what is due. */
  retryRefused(isDue?: (refusal: RefusalRecord) => boolean): Promise<void>
  all(): AsyncIterable<readonly [repository: string, reference: string, record: OutboundRecord]>
}

const pageSize = 500
const missingContent: readonly (string | undefined)[] = ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN']

export function createOutbound({ registry, records }: { registry: Registry; records: RecordStore }): Outbound {
  const { changes } = registry
  let reading: Promise<void> = Promise.resolve()
  /** How far it was read, which may be further than is durable. */
  let ahead = 0

  async function readOn(isPositionDurable: boolean): Promise<void> {
    const head = changes.head()
    const kept = await records.get(keys.outboundCursor)
    let stored = typeof kept === 'number' ? kept : 0
    let cursor = Math.max(stored, ahead)
    for (let isDone = false; !isDone; ) {
      // Also where the head is no further: a change can be read a moment before whoever made it is told, and the head moves.
      const page = await changes.since(cursor, pageSize)
      // What was trimmed, or is of another log, is told by what was agreed on; the head was noted before that is compared.
      if (page === 'trimmed') await compareAll({ registry, records, sequence: head })
      const read = page === 'trimmed' ? [] : page
      const isLast = read.length < pageSize
      const next = page === 'trimmed' ? head : Math.max(cursor, isLast ? head : 0, read.at(-1)?.sequence ?? 0)
      const told = await noted(read)
      if (told.length > 0 || (isPositionDurable && next !== stored)) {
        await records.commit({ put: [...told, [keys.outboundCursor, next]] })
        stored = next
      }
      isDone = isLast || next === cursor
      cursor = next
      ahead = next
    }
  }

  async function noted(page: readonly Change[]): Promise<readonly Entry[]> {
    const fresh = new Map<string, OutboundRecord>()
    for (const change of page) {
      if (change.origin === 'parent') continue
      const key = keys.outbound(change.repository, change.tag ?? change.digest)
      const former = fresh.get(key) ?? ((await records.get(key)) as OutboundRecord | undefined)
      fresh.set(key, await recordOf(registry, change, former))
    }
    return [...(await askedAgain(page)), ...fresh]
  }

  /** What an index lacked may have come: of these the parent is asked again. */
  async function askedAgain(page: readonly Change[]): Promise<readonly Entry[]> {
    const pushed = page.filter(({ action, origin }) => action === 'push' && origin !== 'parent')
    const entries: Entry[] = []
    for (const repository of new Set(pushed.map((change) => change.repository))) {
      for await (const [key, value] of readAll(records, keys.outboundsOf(repository))) {
        const { refusal, ...record } = value as OutboundRecord
        if (refusal && isContentMissing(refusal.code)) entries.push([key, record])
      }
    }
    return entries
  }

  async function* all() {
    for await (const [key, value] of readAll(records, keys.outbounds)) {
      const [repository, reference] = split(key)
      yield [repository, reference, value as OutboundRecord] as const
    }
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const run = reading.then(work)
    reading = run.catch(() => undefined)
    return run
  }

  return {
    all,
    catchUp: () => inTurn(() => readOn(true)),
    readAhead: () => inTurn(() => readOn(false)),
    tellAnew: (epoch) => inTurn(() => noteAnew({ registry, records, epoch })),
    async of(repository) {
      const found = new Map<string, OutboundRecord>()
      const prefix = keys.outboundsOf(repository)
      for await (const [key, value] of readAll(records, prefix))
        found.set(key.slice(prefix.length), value as OutboundRecord)
      return found
    },
    get: async (repository, reference) =>
      (await records.get(keys.outbound(repository, reference))) as OutboundRecord | undefined,
    async repositories() {
      const found = new Set<string>()
      for await (const [repository] of all()) found.add(repository)
      return found
    },
    settled(repository, reference, record) {
      const key = keys.outbound(repository, reference)
      return { remove: [key], expect: [[key, record]] }
    },
    async refused(repository, reference, record, refusal) {
      const key = keys.outbound(repository, reference)
      await records.commit({ put: [[key, { ...record, refusal }]], expect: [[key, record]] })
    },
    async retryRefused(isDue = () => true) {
      for await (const [repository, reference, { refusal, ...record }] of all()) {
        const key = keys.outbound(repository, reference)
        if (refusal && isDue(refusal))
          await records.commit({ put: [[key, record]], expect: [[key, { ...record, refusal }]] }).catch(unlessConflict)
      }
    }
  }
}

/** It changed here again, and is told as it is now. */
function unlessConflict(error: unknown): void {
  if (!(error instanceof ConflictError)) throw error
}

/** The parent's word for a manifest that names what it does not hold. */
export function isContentMissing(parentCode: string | undefined): boolean {
  return missingContent.includes(parentCode)
}

async function recordOf(
  registry: Registry,
  { action, sequence, repository, digest }: Change,
  former: OutboundRecord | undefined
): Promise<OutboundRecord> {
  if (action === 'tag' || action === 'untag') return { sequence }
  if (action === 'delete') return { sequence, removed: true, known: former ? former.known === true : true }
  return { sequence, known: former?.known === true, bytes: await sizeOf(registry, repository, digest) }
}

async function sizeOf({ manifests }: Registry, repository: string, digest: Digest): Promise<number> {
  const stored = await manifests.get(repository, { kind: 'digest', digest })
  if (!stored) return 0
  const { blobs } = parseManifest(stored.bytes, stored.descriptor.mediaType)
  return blobs.reduce((sum, blob) => sum + (blob.foreign ? 0 : blob.size), stored.descriptor.size)
}

/** A digest holds a colon too; a repository's name does not. */
function split(key: string): readonly [repository: string, reference: string] {
  const name = key.slice(keys.outbounds.length)
  const colon = name.indexOf(':')
  return [name.slice(0, colon), name.slice(colon + 1)]
}

/** A digest that the parent held when it was changed here has a base, also below a parent that lists tags only. */
export function baseOf(
  reference: string,
  bases: ReadonlyMap<string, Digest>,
  record: OutboundRecord | undefined
): Digest | undefined {
  return bases.get(reference) ?? (record?.known ? parseDigest(reference) : undefined)
}
