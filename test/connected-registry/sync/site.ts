import type { TestContext } from 'node:test'
import { createLog, type Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../../../modules/connected-registry/src/access/authorize.ts'
import { createDispatcher, type DispatcherOptions } from '../../../modules/connected-registry/src/parent/dispatcher.ts'
import { createParentRegistry } from '../../../modules/connected-registry/src/parent/parent-registry.ts'
import type { ParentConnection } from '../../../modules/connected-registry/src/protocol/connection-string.ts'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { parseRepositoryPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { type Bases, createBases } from '../../../modules/connected-registry/src/sync/bases.ts'
import {
  createSyncEngine,
  type EngineOptions,
  type SyncEngine
} from '../../../modules/connected-registry/src/sync/engine.ts'
import { createOutbound, type Outbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import type { Schedule } from '../../../modules/connected-registry/src/sync/schedule.ts'
import type { ScopeEntry, ScopeRules } from '../../../modules/connected-registry/src/sync/scope-rules.ts'
import {
  createStatusBoard,
  type IterationSummary,
  type StatusBoard,
  type SyncStatus
} from '../../../modules/connected-registry/src/sync/status.ts'
import type { SyncWish } from '../../../modules/connected-registry/src/sync/sync-wish.ts'
import { openTransferJournal } from '../../../modules/connected-registry/src/sync/transfer-journal.ts'
import type { WallClock } from '../../../modules/connected-registry/src/sync/wall-clock.ts'
import { type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'
import { pushBlobs } from '../registry/open-registry.ts'

export interface TestSite {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly bases: Bases
  readonly outbound: Outbound
  readonly engine: SyncEngine
  readonly board: StatusBoard
  /** One iteration, by hand. */
  sync(): Promise<IterationSummary>
  /** One that compares everything. */
  resync(): Promise<IterationSummary>
  scope(repositories: readonly ScopeName[], connection?: ParentConnection): Promise<void>
  /** A client of this site pushes an image, and maybe tags it; `sparse`: without the manifests of an index. */
  push(repository: string, image: BuiltImage, tag?: string, sparse?: boolean): Promise<void>
  /** What `scope` would apply. */
  wish(repositories: readonly ScopeName[], connection?: ParentConnection): SyncWish
  /** The same scope in another mode. */
  become(mode: Mode): void
  /** Its process ends. The stores stay, for another site on them. */
  stop(): Promise<void>
  /** What a tag names here. */
  tag(repository: string, tag: string): Promise<Digest | undefined>
  holds(repository: string, digest: Digest): Promise<boolean>
  codes(): readonly string[]
  /** Resolves when the status is so; it is told of every change. */
  until(isSo: (status: SyncStatus) => boolean): Promise<void>
}

export interface TestSiteOptions {
  readonly blobs?: BlobStore
  readonly records?: RecordStore
  readonly dispatcher?: DispatcherOptions
  readonly log?: Log
  readonly mode?: Mode
  readonly clock?: WallClock
  readonly schedule?: Schedule
  readonly transfer?: EngineOptions['transfer']
  /** Refuses manifests, as a full disk does. */
  readonly admit?: () => Promise<void>
}

/** Never due by itself within a test: iterations run when they are asked for. */
const yearly: Schedule = { cron: '0 0 1 1 *', windowMs: 3_600_000 }
const impatient: DispatcherOptions = {
  timeouts: { connectMs: 2_000, headersMs: 10_000, idleMs: 10_000 },
  retry: { retries: 1, firstPauseMs: 10 },
  random: () => 0
}

export async function openSite(
  t: TestContext,
  connection: ParentConnection,
  repositories: readonly ScopeName[],
  options: TestSiteOptions = {}
): Promise<TestSite> {
  const { blobs = createMemoryBlobStore(), records = createMemoryRecordStore() } = options
  let { mode = 'ReadOnly' } = options
  const log = options.log ?? createLog({ module: 'test', level: 'None' })
  const registry = await createRegistry({ blobs, records, admit: options.admit })
  const bases = createBases(records)
  const outbound = createOutbound({ registry, records })
  const listeners = new Set<() => void>()
  const now = options.clock?.now ?? (() => new Date())
  const board = createStatusBoard(now, () => {
    for (const listener of listeners) listener()
  })
  const transfer = { pauseMs: () => 10, ...options.transfer }
  const journal = await openTransferJournal({ blobs, records })
  const engine = createSyncEngine({
    registry,
    blobs,
    records,
    bases,
    outbound,
    journal,
    board,
    log,
    clock: options.clock,
    transfer
  })
  const dispatcher = createDispatcher({ ...impatient, ...options.dispatcher })
  const stop = async () => {
    await engine.stop()
    await dispatcher.close()
  }
  t.after(stop)
  const wish = (names: readonly ScopeName[], to = connection): SyncWish => ({
    parent: createParentRegistry({ connection: to, dispatcher, log }),
    patterns: names.map(scopeEntry),
    schedule: options.schedule ?? yearly,
    mode
  })
  const site: TestSite = {
    registry,
    blobs,
    records,
    bases,
    outbound,
    engine,
    board,
    sync: () => iteration(engine.sync()),
    resync: () => iteration(engine.sync({ complete: true })),
    async scope(names, to) {
      engine.apply(wish(names, to))
    },
    async push(repository, image, tag, sparse = false) {
      const pushed = sparse ? { ...image, children: [] } : image
      await pushBlobs({ registry, blobs }, repository, pushed)
      for (const manifest of manifestsOf(pushed)) {
        const moved = manifest === image.manifest ? tag : undefined
        await registry.manifests.put(repository, manifest, { origin: 'client:line-1', tag: moved, sparse })
      }
    },
    wish,
    become(next) {
      mode = next
      engine.apply(wish(repositories))
    },
    stop,
    tag: async (repository, tag) => (await registry.tags.get(repository, tag))?.digest,
    holds: async (repository, digest) =>
      (await registry.manifests.stat(repository, { kind: 'digest', digest })) !== undefined,
    codes: () => board.read().details.map(({ code }) => code),
    async until(isSo) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const givingUp = setTimeout(() => reject(new Error(`the status stays ${JSON.stringify(board.read())}`)), 60_000)
      const look = () => {
        if (isSo(board.read())) resolve()
      }
      listeners.add(look)
      look()
      await promise.finally(() => {
        clearTimeout(givingUp)
        listeners.delete(look)
      })
    }
  }
  await site.scope(repositories)
  return site
}

/** A name or pattern, or one with its rules. */
export type ScopeName = string | readonly [name: string, rules: ScopeRules]

function scopeEntry(entry: ScopeName): ScopeEntry {
  if (typeof entry === 'string') return parseRepositoryPattern(entry)!
  return { ...parseRepositoryPattern(entry[0])!, rules: entry[1] }
}

async function iteration(running: Promise<IterationSummary | undefined>): Promise<IterationSummary> {
  const summary = await running
  if (!summary) throw new Error('nothing could be synced')
  return summary
}
