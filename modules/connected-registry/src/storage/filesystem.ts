import { randomUUID } from 'node:crypto'
import { readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Algorithm, algorithmOf, type Digest, parseDigest } from '../protocol/digest.ts'
import { openBlobFile } from './blob-file.ts'
import { type BlobStore, DigestMismatchError, UploadUnknownError } from './blob-store.ts'
import { quarantinePath, readQuarantine } from './content-scan.ts'
import { type FileSync, makeDirectory, makeWritableDirectory, syncDirectory, syncFile } from './durable-files.ts'
import { createEarlySyncPlaces } from './early-sync.ts'
import { createBlocks } from './gathered-writes.ts'
import { createHashing, type HashingOptions } from './hashing.ts'
import { blobPath, type StorePaths } from './layout.ts'
import { codeOf, StoreError, SyncError } from './store-error.ts'
import { createKeyedTurns } from './turns.ts'
import { createUploadFile, loadUploadFile, type UploadFile } from './upload-file.ts'

const algorithms: readonly Algorithm[] = ['sha256', 'sha512']
const uploadId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export interface FilesystemOptions {
  /** How files come to the disk. */
  readonly sync?: FileSync
  readonly onThreadLost?: HashingOptions['onLost']
}

type ContentPaths = Pick<StorePaths, 'blobs' | 'uploads' | 'quarantine'>

/**
 * Blobs as files (`layout.ts`). A blob is visible only once its bytes, its name and the folders above are on the disk.
 * Throws StoreError where the folders cannot be written.
 */
export async function createFilesystemBlobStore(
  paths: ContentPaths,
  { sync = syncFile, onThreadLost }: FilesystemOptions = {}
): Promise<BlobStore> {
  await makeWritableDirectory(paths.uploads)
  for (const algorithm of algorithms) await makeWritableDirectory(join(paths.blobs, algorithm))
  await sweepUploads(paths, sync)

  const hashing = createHashing({ onLost: onThreadLost })
  const means = { blocks: createBlocks(), earlySyncs: createEarlySyncPlaces(), hashing, sync }
  const uploads = new Map<string, Promise<UploadFile | undefined>>()
  const durableFolders = new Set<string>()
  const inTurn = createKeyedTurns()
  const quarantined = new Set(await readQuarantine(paths.quarantine))
  // Set aside by a process that may have died before this: the power might bring it back to where it is shown.
  if (quarantined.size > 0) await syncDirectory(paths.quarantine, sync)
  /** Their files are in place, or about to be, and the names of these on their way to the disk. */
  const unsettled = new Set<Digest>()
  let closed = false

  const isHidden = (digest: Digest) => quarantined.has(digest) || unsettled.has(digest)

  function checkOpen(): void {
    if (closed) throw new StoreError('the blob store is closed', { code: 'STORE_CLOSED', path: paths.blobs })
  }

  /** Looked up on the disk once: uploads go on after a restart. */
  function find(id: string): Promise<UploadFile | undefined> {
    // The id is part of a path: nothing but our own form ever gets there.
    if (!uploadId.test(id)) return Promise.resolve(undefined)
    const known = uploads.get(id)
    if (known) return known
    const loading = loadUploadFile(paths.uploads, id, means)
    uploads.set(id, loading)
    const forget = () => uploads.delete(id)
    loading.then((upload) => upload ?? forget(), forget)
    return loading
  }

  async function findOpen(id: string): Promise<UploadFile> {
    checkOpen()
    const upload = await find(id)
    if (!upload) throw new UploadUnknownError(id)
    return upload
  }

  async function discard(id: string, upload: UploadFile): Promise<void> {
    uploads.delete(id)
    await upload.remove()
  }

  /** Nobody goes on with it. False: it was over already. */
  function end(id: string, upload: UploadFile, reason: Error): Promise<boolean> {
    upload.session.interrupt(reason)
    return upload.session.complete(() => discard(id, upload)).then(() => true, isUnknown)
  }

  /** One at a time for each digest, so that a removal never takes what a commit has just found in place. */
  function publish(upload: UploadFile, digest: Digest): Promise<void> {
    return inTurn(digest, async () => {
      const path = blobPath(paths.blobs, digest)
      const present = await sizeOf(path)
      const isFresh = present !== upload.session.end() || quarantined.has(digest)
      await bothDone(isFresh ? upload.sync() : undefined, keepFolder(dirname(path)))
      if (isFresh) await settle(upload.data, path, digest)
      // An earlier process may have died before it came to this.
      else await syncDirectory(dirname(path), sync)
    })
  }

  /** A name that may go when the power fails is shown to nobody. Where it does not come to the disk, the upload has its data back. */
  async function settle(data: string, path: string, digest: Digest): Promise<void> {
    unsettled.add(digest)
    try {
      await rename(data, path)
      await settled(path, digest).catch(async (error: unknown) => {
        await rename(path, data)
        throw error
      })
    } finally {
      unsettled.delete(digest)
    }
  }

  async function settled(path: string, digest: Digest): Promise<void> {
    await syncDirectory(dirname(path), sync)
    await dropQuarantined(digest)
  }

  /** It counts until its going is on the disk: else the power might fail, and what came anew would be hidden. */
  async function dropQuarantined(digest: Digest): Promise<void> {
    if (!quarantined.has(digest)) return
    await rm(quarantinePath(paths.quarantine, digest), { force: true })
    await syncDirectory(paths.quarantine)
    quarantined.delete(digest)
  }

  /** When the power fails it may keep both names: the one in quarantine counts, and a blob that comes anew takes the other. */
  async function setAside(digest: Digest): Promise<boolean> {
    const path = blobPath(paths.blobs, digest)
    if ((await sizeOf(path)) === undefined) return false
    await keepFolder(paths.quarantine)
    await rename(path, quarantinePath(paths.quarantine, digest))
    quarantined.add(digest)
    await syncDirectory(paths.quarantine)
    await syncDirectory(dirname(path))
    return true
  }

  async function keepFolder(folder: string): Promise<void> {
    if (durableFolders.has(folder)) return
    await makeDirectory(folder)
    durableFolders.add(folder)
  }

  return {
    async stat(digest) {
      const size = await sizeOf(blobPath(paths.blobs, digest))
      return size === undefined || isHidden(digest) ? undefined : { size }
    },
    open: async (digest, range) => (isHidden(digest) ? undefined : openBlobFile(blobPath(paths.blobs, digest), range)),
    remove(digest) {
      return inTurn(digest, async () => {
        // Where both names are there, the one in quarantine hides the other until that is gone.
        const isRemoved = await removeFile(blobPath(paths.blobs, digest))
        await dropQuarantined(digest)
        return isRemoved
      })
    },
    async *list() {
      for (const algorithm of algorithms) yield* listBlobs(join(paths.blobs, algorithm), algorithm)
    },
    quarantine: (digest) => inTurn(digest, () => setAside(digest)),
    quarantined,
    async beginUpload({ size } = {}) {
      checkOpen()
      const id = randomUUID()
      const upload = await createUploadFile(paths.uploads, id, means, size)
      uploads.set(id, Promise.resolve(upload))
      return id
    },
    wake: hashing.wake,
    async uploadState(id) {
      return (await find(id))?.session.state()
    },
    async append(id, content, options) {
      const upload = await findOpen(id)
      return upload.append(content, options).catch(async (error: unknown) => {
        if (error instanceof SyncError) await end(id, upload, error)
        throw error
      })
    },
    async commit(id, expected) {
      const upload = await findOpen(id)
      return upload.session.complete(async (finish) => {
        const actual: Digest = `${algorithmOf(expected)}:${await upload.hash(algorithmOf(expected))}`
        if (actual !== expected) {
          finish()
          await discard(id, upload)
          throw new DigestMismatchError(expected, actual)
        }
        await publish(upload, expected).catch(async (error: unknown) => {
          if (error instanceof SyncError) {
            finish()
            await discard(id, upload)
          }
          throw error
        })
        await discard(id, upload)
        return { digest: expected, size: upload.session.end() }
      })
    },
    async cancel(id) {
      const upload = await find(id)
      return upload ? end(id, upload, new UploadUnknownError(id)) : false
    },
    async *listUploads() {
      for (const id of (await foldersOf(paths.uploads)).filter((name) => uploadId.test(name))) {
        // Only looked at: an upload nobody goes on with is not worth keeping in mind.
        const upload = await (uploads.get(id) ?? loadUploadFile(paths.uploads, id, means))
        const writtenAt = await upload?.writtenAt()
        if (upload && writtenAt) yield { id, size: upload.session.state().size, writtenAt }
      }
    },
    async close() {
      closed = true
      const open = await Promise.all(uploads.values())
      const reason = new StoreError('the blob store is closed', { code: 'STORE_CLOSED', path: paths.blobs })
      for (const upload of open) upload?.session.interrupt(reason)
      await Promise.all(open.map((upload) => upload?.session.complete(upload.settled).catch(isUnknown)))
      await hashing.close()
    }
  }
}

/** The disk is asked for both at once. Nothing of them goes on behind a failure; the first one's is thrown where both fail. */
async function bothDone(...work: readonly (Promise<void> | undefined)[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason
}

async function* listBlobs(folder: string, algorithm: Algorithm): AsyncIterable<Digest> {
  for (const prefix of (await foldersOf(folder)).sort()) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    const entries = await readdir(`${folder}/${prefix}`, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isFile() && entry.name.startsWith(prefix)).map(({ name }) => name)
    for (const name of names.sort()) {
      const digest = parseDigest(`${algorithm}:${name}`)
      if (digest) yield digest
    }
  }
}

/**
 * Folders without data are what a crash leaves of an upload that was over. Its data may just have come to its place, where the
 * next request finds it: so its name must be on the disk first.
 */
async function sweepUploads({ uploads, blobs }: ContentPaths, sync: FileSync): Promise<void> {
  const over: string[] = []
  for (const id of await foldersOf(uploads)) {
    if (uploadId.test(id) && (await sizeOf(join(uploads, id, 'data'))) === undefined) over.push(join(uploads, id))
  }
  if (over.length > 0) for await (const folder of blobFolders(blobs)) await syncDirectory(folder, sync)
  for (const folder of over) await rm(folder, { recursive: true })
}

async function* blobFolders(blobs: string): AsyncIterable<string> {
  for (const algorithm of algorithms) {
    for (const prefix of await foldersOf(join(blobs, algorithm))) yield join(blobs, algorithm, prefix)
  }
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  await syncDirectory(dirname(path))
  return true
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path)
    return stats.isFile() ? stats.size : undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** False: the upload was over already. */
function isUnknown(error: unknown): false {
  if (error instanceof UploadUnknownError) return false
  throw error
}
