import { randomUUID } from 'node:crypto'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { BlobStore } from './storage/blob-store.ts'
import { type CountedRecords, countRecords } from './storage/counted-records.ts'
import { createDiskGuard, type DiskGuard } from './storage/disk-guard.ts'
import { createFilesystemBlobStore } from './storage/filesystem.ts'
import { type GuardedBlobs, guardBlobs } from './storage/guarded-blobs.ts'
import { keys, storePaths } from './storage/layout.ts'
import type { Json, RecordStore } from './storage/record-store.ts'
import { createSqliteRecordStore } from './storage/sqlite.ts'
import { openStateFile, type StateFile } from './storage/state-file.ts'
import { lockStore } from './storage/store-lock.ts'
import { codeOf, describe } from './sync/problems.ts'

/** What this module was last told and who it is; small and readable, so that it starts without any network. */
export interface ModuleState {
  readonly instanceId?: string
  /** The last desired properties that were in force. */
  readonly desired?: Readonly<Record<string, Json>>
  /** The config of the parent that was in force. */
  readonly parentConfig?: ParentConfig
}

/** What a parent that is a connected registry configures this one with. */
export interface ParentConfig {
  /** Which parent, and as which registry there. */
  readonly parent: string
  readonly epoch: string
  readonly etag: string
  readonly config: Readonly<Record<string, Json>>
}

/** Everything below the data volume, opened by one process alone. */
export interface Store {
  /** Takes in nothing that `disk` has no room for. */
  readonly blobs: BlobStore
  readonly disk: DiskGuard
  readonly records: RecordStore
  readonly state: StateFile<ModuleState>
  readonly instanceId: string
  /** Why the state is not what this module last wrote: its file was broken, or is gone. */
  readonly stateProblem?: string
  /** What it holds: counted when it is first asked for, which the signal may end, and kept up from then on. */
  figures(signal?: AbortSignal): Promise<StoreFigures>
  close(): Promise<void>
}

export interface StoreFigures {
  readonly repositories: number
  /** One in each repository that holds it. */
  readonly manifests: number
  readonly blobs: number
  /** Of blobs and manifests, each once. */
  readonly bytes: number
}

/** Throws where the data volume cannot be written, is in use by another process, or was written by a newer version. */
export async function openStore(dataVolume: string, log?: Log): Promise<Store> {
  const paths = storePaths(dataVolume)
  const opened: { close(): Promise<void> }[] = []
  const closeAll = async () => {
    for (const part of opened.reverse()) await part.close()
  }
  try {
    const lock = await lockStore(paths.lock)
    opened.push({ close: () => lock.release() })
    const files = await createFilesystemBlobStore(paths, {
      onThreadLost: (error) => log?.warn({ code: codeOf(error), reason: describe(error) }, 'hashing thread lost')
    })
    opened.push(files)
    const disk = createDiskGuard({ path: paths.root })
    opened.push({ close: async () => disk.close() })
    const records = countRecords(await createSqliteRecordStore(paths.records))
    opened.push(records)
    const state = await openStateFile<ModuleState>(paths.state, { parse: parseState, empty: {} })
    const stateProblem = state.problem ?? (await lossOf(paths.state, records, state))
    const instanceId = await ensureInstanceId(records, state)
    const blobs = guardBlobs(files, disk)
    disk.addUsage(async () => (await records.totals.manifestContent.read()).bytes)
    const figures = (signal?: AbortSignal) => readFigures(blobs, records, signal)
    return { blobs, disk, records, state, instanceId, stateProblem, figures, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function readFigures(
  blobs: GuardedBlobs,
  { totals }: CountedRecords,
  signal?: AbortSignal
): Promise<StoreFigures> {
  const [repositories, manifests, content, stored] = await Promise.all([
    totals.repositories.read(signal),
    totals.manifests.read(signal),
    totals.manifestContent.read(signal),
    blobs.total.read(signal)
  ])
  const bytes = stored.bytes + content.bytes
  return { repositories: repositories.count, manifests: manifests.count, blobs: stored.count, bytes }
}

/** Every start writes the instance id to both places. */
async function lossOf(path: string, records: RecordStore, state: StateFile<ModuleState>): Promise<string | undefined> {
  const isFirstStart = (await records.get(keys.identity('instance'))) === undefined
  return isFirstStart || state.data.instanceId !== undefined
    ? undefined
    : `${path} is missing: began with an empty state`
}

/** The record store knows best: its content and its name belong together, even where the state file was lost. */
async function ensureInstanceId(records: RecordStore, state: StateFile<ModuleState>): Promise<string> {
  const recorded = await records.get(keys.identity('instance'))
  const instanceId = typeof recorded === 'string' ? recorded : (state.data.instanceId ?? randomUUID())
  if (recorded !== instanceId) await records.commit({ put: [[keys.identity('instance'), instanceId]] })
  if (state.data.instanceId !== instanceId) await state.update((data) => ({ ...data, instanceId }))
  return instanceId
}

function parseState(value: unknown): ModuleState {
  if (!isObject(value)) throw new Error('the state is not a JSON object')
  const { instanceId, desired, parentConfig } = value
  if (instanceId !== undefined && typeof instanceId !== 'string') throw new Error('instanceId is not a text')
  if (desired !== undefined && !isObject(desired)) throw new Error('desired is not an object')
  const kept = parentConfig === undefined ? {} : { parentConfig: parseParentConfig(parentConfig) }
  return { instanceId, desired: desired as ModuleState['desired'], ...kept }
}

function parseParentConfig(value: unknown): ParentConfig {
  if (!isObject(value) || !isObject(value.config)) throw new Error('parentConfig is not an object')
  const { parent, epoch, etag, config } = value
  if (typeof parent !== 'string' || typeof epoch !== 'string' || typeof etag !== 'string') {
    throw new Error('parentConfig does not say whose it is')
  }
  return { parent, epoch, etag, config: config as ParentConfig['config'] }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
