import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { GarbagePolicy } from '../../../modules/connected-registry/src/registry/garbage.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { Batch, RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'

export const media = ['memory', 'files'] as const
export type Medium = (typeof media)[number]

export interface OpenRegistry {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly records: RecordStore
}

export interface OpenOptions {
  readonly medium?: Medium
  /** In place of the memory's. */
  readonly blobs?: BlobStore
  readonly now?: () => Date
  /** Of the garbage collection. */
  readonly policy?: () => GarbagePolicy
  /** What else happens just before a batch is committed. */
  readonly beforeCommit?: (batch: Batch) => Promise<void>
  /** What holds up the answer to a batch that is applied. */
  readonly afterCommit?: (batch: Batch) => Promise<void> | undefined
}

export async function openRegistry(t: TestContext, options: OpenOptions = {}): Promise<OpenRegistry> {
  const { blobs, records } = options.medium === 'files' ? await openFiles(t) : openMemory(options.blobs)
  const { beforeCommit, afterCommit, now, policy } = options
  const observed: RecordStore = {
    ...records,
    async commit(batch) {
      if (beforeCommit) await beforeCommit(batch)
      await records.commit(batch)
      await afterCommit?.(batch)
    }
  }
  return { registry: await createRegistry({ blobs, records: observed, now, policy }), blobs, records }
}

function openMemory(blobs = createMemoryBlobStore()) {
  return { blobs, records: createMemoryRecordStore() }
}

async function openFiles(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = storePaths(folder)
  const records = await createSqliteRecordStore(paths.records)
  t.after(() => records.close())
  const blobs = await createFilesystemBlobStore(paths)
  t.after(() => blobs.close())
  return { blobs, records }
}

/** Stores and links the blobs of an image and its children. */
export async function pushBlobs(
  open: Omit<OpenRegistry, 'records'>,
  repository: string,
  image: BuiltImage
): Promise<void> {
  const { registry, blobs } = open
  for (const child of image.children) await pushBlobs(open, repository, child)
  for (const [digest, bytes] of image.blobs) {
    if (!(await blobs.stat(digest))) {
      const upload = await blobs.beginUpload()
      await blobs.append(upload, one(bytes), { at: 0 })
      await blobs.commit(upload, digest)
    }
    await registry.blobs.link(repository, { digest, mediaType: 'application/octet-stream' })
  }
}

/** Blobs first, children before parents, the tag last. */
export async function pushImage(
  open: OpenRegistry,
  repository: string,
  image: BuiltImage,
  tag?: string
): Promise<void> {
  await pushBlobs(open, repository, image)
  for (const manifest of manifestsOf(image)) {
    const moved = manifest === image.manifest ? tag : undefined
    await open.registry.manifests.put(repository, manifest, { origin: 'parent', tag: moved })
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
