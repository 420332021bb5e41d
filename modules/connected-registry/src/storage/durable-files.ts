import { type FileHandle, mkdir, mkdtemp, open, rename, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { codeOf, StoreError, SyncError } from './store-error.ts'

/** Bytes to the disk: fsync(2) of a file or of the names in a folder, or fdatasync(2) for the data of a file alone. */
export type FileSync = (handle: FileHandle, what: 'all' | 'data' | 'names') => Promise<void>

export const syncFile: FileSync = (handle, what) => (what === 'data' ? handle.datasync() : handle.sync())

/** A name in a directory survives a power cut only once the directory itself is synced. Throws SyncError. */
export async function syncDirectory(path: string, sync = syncFile): Promise<void> {
  await using handle = await open(path, 'r')
  await sync(handle, 'names').catch((error: unknown) => {
    throw new SyncError(path, error)
  })
}

/** Creates the directory and its missing parents; their names are durable when it resolves. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  const top = dirname(resolve(first ?? path))
  for (let parent = dirname(resolve(path)); ; parent = dirname(parent)) {
    await syncDirectory(parent)
    if (parent === top) return
  }
}

/** Creates the directory and proves that this process may write there. Throws StoreError with the system's code and the path. */
export async function makeWritableDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path)
    await rmdir(await mkdtemp(join(path, '.writable-')))
  } catch (cause) {
    const code = codeOf(cause) ?? 'STORE_FAILED'
    const reason = `the data folder cannot be written by user ${process.geteuid?.() ?? 'unknown'} (${code})`
    throw new StoreError(reason, { code, path, cause })
  }
}

/** The file holds the old text or the new one, whenever the power fails; the new one for good when this resolves. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.temporary`
  await writeSynced(temporary, text, mode)
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  await using handle = await open(path, 'w', mode)
  // A leftover of a cut write keeps the mode it was made with.
  await handle.chmod(mode)
  await handle.writeFile(text)
  await handle.sync()
}
