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
import { createBases } from '../../../modules/connected-registry/src/sync/bases.ts'
import { createSyncEngine, type SyncEngine } from '../../../modules/connected-registry/src/sync/engine.ts'
import {
  createStatusBoard,
  type IterationSummary,
  type StatusBoard
} from '../../../modules/connected-registry/src/sync/status.ts'
import { type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'
import { pushBlobs } from '../registry/open-registry.ts'

export interface TestSite {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly records: RecordStore
  readonly engine: SyncEngine
  readonly board: StatusBoard
  /** One iteration, by hand. */
  sync(): Promise<IterationSummary>
  /** One that compares everything. */
  resync(): Promise<IterationSummary>
  scope(repositories: readonly string[], connection?: ParentConnection): Promise<void>
  /** A client of this site pushes an image, and maybe tags it; `sparse`: without the manifests of an index. */
  push(repository: string, image: BuiltImage, tag?: string, sparse?: boolean): Promise<void>
  /** What a tag names here. */
  tag(repository: string, tag: string): Promise<Digest | undefined>
  holds(repository: string, digest: Digest): Promise<boolean>
  codes(): readonly string[]
}

export interface TestSiteOptions {
  readonly blobs?: BlobStore
  readonly records?: RecordStore
  readonly dispatcher?: DispatcherOptions
  readonly log?: Log
  readonly mode?: Mode
}

/** Never due by itself within a test: iterations run when they are asked for. */
const schedule = { cron: '0 0 1 1 *', windowMs: 3_600_000 }
const impatient: DispatcherOptions = {
  timeouts: { connectMs: 2_000, headersMs: 1_000, idleMs: 1_000 },
  retry: { retries: 1 },
  random: () => 0
}

export async function openSite(
  t: TestContext,
  connection: ParentConnection,
  repositories: readonly string[],
  options: TestSiteOptions = {}
): Promise<TestSite> {
  const { blobs = createMemoryBlobStore(), records = createMemoryRecordStore(), mode = 'ReadOnly' } = options
  const log = options.log ?? createLog({ module: 'test', level: 'None' })
  const registry = await createRegistry({ blobs, records })
  const board = createStatusBoard(() => new Date())
  const engine = createSyncEngine({ registry, blobs, bases: createBases(records), board, log })
  const dispatcher = createDispatcher({ ...impatient, ...options.dispatcher })
  t.after(async () => {
    await engine.stop()
    await dispatcher.close()
  })
  const site: TestSite = {
    registry,
    blobs,
    records,
    engine,
    board,
    sync: () => iteration(engine.sync()),
    resync: () => iteration(engine.sync({ complete: true })),
    async scope(names, to = connection) {
      const patterns = names.map((name) => parseRepositoryPattern(name)!)
      await engine.apply({
        parent: createParentRegistry({ connection: to, dispatcher, log }),
        patterns,
        schedule,
        mode
      })
    },
    async push(repository, image, tag, sparse = false) {
      const pushed = sparse ? { ...image, children: [] } : image
      await pushBlobs({ registry, blobs }, repository, pushed)
      for (const manifest of manifestsOf(pushed)) {
        const moved = manifest === image.manifest ? tag : undefined
        await registry.manifests.put(repository, manifest, { origin: 'client:line-1', tag: moved, sparse })
      }
    },
    tag: async (repository, tag) => (await registry.tags.get(repository, tag))?.digest,
    holds: async (repository, digest) =>
      (await registry.manifests.stat(repository, { kind: 'digest', digest })) !== undefined,
    codes: () => board.read().details.map(({ code }) => code)
  }
  await site.scope(repositories)
  return site
}

async function iteration(running: Promise<IterationSummary | undefined>): Promise<IterationSummary> {
  const summary = await running
  if (!summary) throw new Error('nothing could be synced')
  return summary
}
