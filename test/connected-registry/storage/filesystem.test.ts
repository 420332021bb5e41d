import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, readlink, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { type Digest, digestOf, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { type FileSync, syncFile } from '../../../modules/connected-registry/src/storage/durable-files.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { blobPath, storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { inChunks, listBlobs, putBlob, readBlob, thenHangs } from '../../contracts/blob-content.ts'
import { blobStoreContract, persistentBlobStoreContract } from '../../contracts/blob-store.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { temporaryFolder } from './temporary-folder.ts'

blobStoreContract('filesystem', async (t) => (await openStore(t)).store)
persistentBlobStoreContract('filesystem', openStore)

async function openStore(t: TestContext, folder?: string) {
  const paths = storePaths(folder ?? (await temporaryFolder()))
  let store = await createFilesystemBlobStore(paths)
  t.after(() => store.close())
  const reopen = async () => {
    await store.close()
    store = await createFilesystemBlobStore(paths)
    return store
  }
  return { store, paths, reopen }
}

test('a committed blob is one file with the name of its digest, and its upload folder is gone', async (t) => {
  const { store, paths } = await openStore(t)
  const bytes = randomBytes('layout', 1000)

  const digest = await putBlob(store, bytes)

  const hex = hexOf(digest)
  assert.ok((await readFile(join(paths.blobs, 'sha256', hex.slice(0, 2), hex))).equals(bytes))
  assert.deepEqual(await readdir(paths.uploads), [])
})

test('content that is here is not written again', async (t) => {
  const { store, paths } = await openStore(t)
  const bytes = randomBytes('once', 1000)
  const digest = await putBlob(store, bytes)
  const before = await stat(blobPath(paths.blobs, digest))

  await putBlob(store, bytes)

  const after = await stat(blobPath(paths.blobs, digest))
  assert.equal(after.ino, before.ino)
  assert.equal(after.mtimeMs, before.mtimeMs)
})

test('a blob that lost bytes on the disk fails its reader, and the next upload heals it', async (t) => {
  const { store, paths } = await openStore(t)
  const bytes = randomBytes('lost', 5000)
  const digest = await putBlob(store, bytes)
  const reader = await store.open(digest)

  await truncate(blobPath(paths.blobs, digest), 2000)

  assert.equal(await reader?.read(new Uint8Array(4000)), 2000)
  await assert.rejects(async () => reader?.read(new Uint8Array(4000)), /ends at 2000 of 5000/)
  await putBlob(store, bytes)
  assert.ok((await readBlob(store, digest))?.equals(bytes))
})

test('files that are not ours are left alone and not shown', async (t) => {
  const folder = await temporaryFolder()
  const first = await openStore(t, folder)
  const digest = await putBlob(first.store, randomBytes('ours', 10))
  const { blobs, uploads } = first.paths
  const foreign: Digest = digestOf(randomBytes('foreign', 10))
  await mkdir(join(blobs, 'md5'))
  await mkdir(join(blobs, 'sha256', 'lost+found'))
  await mkdir(blobPath(blobs, foreign), { recursive: true })
  await writeFile(join(blobs, 'sha256', hexOf(digest).slice(0, 2), 'README'), 'x')
  await writeFile(join(blobs, 'sha256', 'ff.tmp'), 'x')
  await writeFile(join(uploads, 'notes.txt'), 'x')

  const store = await first.reopen()

  assert.deepEqual(await listBlobs(store), [digest])
  assert.equal(await store.stat(foreign), undefined)
  assert.deepEqual(await readdir(uploads), ['notes.txt'])
})

test('what a crash left of an upload that was over is swept at the next start', async (t) => {
  const { store, paths, reopen } = await openStore(t)
  const id = await store.beginUpload()
  const over = '00000000-0000-4000-8000-000000000000'
  await mkdir(join(paths.uploads, over))
  await writeFile(join(paths.uploads, over, 'ranges'), '\n0-9\n')

  const reopened = await reopen()

  assert.equal(await reopened.uploadState(over), undefined)
  assert.deepEqual(await readdir(paths.uploads), [id])
})

test('what a kill left in its place, its name not yet on the disk, is brought there before it is shown', async (t) => {
  const paths = storePaths(await temporaryFolder())
  const first = await createFilesystemBlobStore(paths)
  const digest = await putBlob(first, randomBytes('left', 1_000))
  await first.close()
  // Such a kill leaves the folder of the upload, without the data.
  await mkdir(join(paths.uploads, randomUUID()))
  const { sync, synced } = notedSync()

  const blobs = await createFilesystemBlobStore(paths, { sync })
  t.after(() => blobs.close())

  assert.deepEqual(synced, [`names ${dirname(blobPath(paths.blobs, digest))}`])
  assert.deepEqual(await readdir(paths.uploads), [])
})

test('what a kill left in quarantine, its name not yet on the disk, is brought there before it counts', async (t) => {
  const paths = storePaths(await temporaryFolder())
  const first = await createFilesystemBlobStore(paths)
  await first.quarantine(await putBlob(first, randomBytes('spoiled', 1_000)))
  await first.close()
  const { sync, synced } = notedSync()

  const blobs = await createFilesystemBlobStore(paths, { sync })
  t.after(() => blobs.close())

  assert.deepEqual(synced, [`names ${paths.quarantine}`])
})

test('an upload that is given up leaves nothing, though its ranges are noted beside it', async (t) => {
  const { store, paths } = await openStore(t)
  const id = await store.beginUpload()
  await store.append(id, inChunks(randomBytes('given up', 100), 50), { at: 100, sparse: true })
  assert.deepEqual((await readdir(join(paths.uploads, id))).sort(), ['data', 'ranges'])

  await store.cancel(id)

  assert.deepEqual(await readdir(paths.uploads), [])
})

test('an upload was last written when its data was, and listing them opens nothing for good', async (t) => {
  const { store, paths, reopen } = await openStore(t)
  const id = await store.beginUpload()
  await store.append(id, inChunks(randomBytes('old', 100), 50), { at: 0 })
  const weekAgo = new Date('2026-01-02T03:04:05.000Z')
  await utimes(join(paths.uploads, id, 'data'), weekAgo, weekAgo)

  const reopened = await reopen()

  for await (const upload of reopened.listUploads()) assert.deepEqual(upload, { id, size: 100, writtenAt: weekAgo })
  assert.deepEqual(await openFilesBelow(paths.root), [])
})

test('bytes on the disk that were never noted are missing, and a note that was cut says nothing', async (t) => {
  const { store, paths, reopen } = await openStore(t)
  const bytes = randomBytes('noted', 500)
  const id = await store.beginUpload()
  await store.append(id, inChunks(bytes.subarray(100, 200), 50), { at: 100, sparse: true })
  await appendFile(join(paths.uploads, id, 'data'), randomBytes('not noted', 700))
  await appendFile(join(paths.uploads, id, 'ranges'), '\n300-3')

  const reopened = await reopen()

  assert.deepEqual(await reopened.uploadState(id), { size: 0, end: 200, missing: [{ first: 0, last: 99 }] })
  await reopened.append(id, inChunks(bytes.subarray(0, 100), 50), { at: 0, sparse: true })
  await reopened.append(id, inChunks(bytes.subarray(200), 50), { at: 200, sparse: true })
  await reopened.commit(id, digestOf(bytes))
  assert.ok((await readBlob(reopened, digestOf(bytes)))?.equals(bytes))
})

test('no file stays open: not after reading, leaving early, a refused range, an upload or a refused commit', async (t) => {
  const { store, paths } = await openStore(t)
  const digest = await putBlob(store, randomBytes('open', 10_000))
  const empty = await putBlob(store, new Uint8Array())

  for (let turn = 0; turn < 20; turn++) {
    await readBlob(store, digest)
    await store.open(empty)
    const reader = await store.open(digest)
    await reader?.read(new Uint8Array(10))
    await reader?.close()
    await assert.rejects(store.open(digest, { first: 0, last: 10_000 }))
    const id = await store.beginUpload()
    await assert.rejects(store.append(id, inChunks(randomBytes('x', 10), 5), { at: 5 }))
    await store.append(id, inChunks(randomBytes('x', 10), 5), { at: 5, sparse: true })
    await assert.rejects(store.commit(id, digest))
    await abortAppend(store)
  }

  assert.deepEqual(await openFilesBelow(paths.root), [])
})

test('a data folder that cannot be written is named at the start', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'registry'), 'a file where the folder should be')

  const opening = createFilesystemBlobStore(storePaths(folder))

  await assert.rejects(opening, (error) => {
    assert.ok(error instanceof StoreError)
    assert.equal(error.code, 'ENOTDIR')
    const whose = `by user ${process.geteuid?.()} \\(ENOTDIR\\)`
    assert.match(error.message, new RegExp(`cannot be written ${whose}: ${folder}/registry`))
    assert.ok(error.cause instanceof Error)
    return true
  })
})

test('a closed store takes nothing more', async (t) => {
  const { store } = await openStore(t)
  const id = await store.beginUpload()

  await store.close()

  await assert.rejects(store.beginUpload(), { code: 'STORE_CLOSED' })
  await assert.rejects(store.append(id, inChunks(randomBytes('x', 1), 1), { at: 0 }), { code: 'STORE_CLOSED' })
  await assert.rejects(store.commit(id, digestOf(new Uint8Array())), { code: 'STORE_CLOSED' })
})

test('a disk that is full costs the bytes that did not fit, and nothing else', async () => {
  const folder = await temporaryFolder()
  const limited = `trap '' XFSZ; ulimit -f ${(2.5 * 1024 * 1024) / 512}; exec "$0" "$@"`
  const program = join(import.meta.dirname, 'programs', 'fill-disk.ts')

  const { stdout } = await promisify(execFile)('sh', ['-c', limited, process.execPath, program, folder])

  // Two blocks of 1 MiB fit, half of the third one is on the disk and does not count.
  const size = 2 * 1024 * 1024
  assert.deepEqual(JSON.parse(stdout), { refused: 'EFBIG', size, committed: size + 1000, kept: size + 1000 })
})

async function abortAppend(store: BlobStore): Promise<void> {
  const id = await store.beginUpload()
  const abort = new AbortController()
  const hanging = thenHangs(randomBytes('x', 10))
  const append = store.append(id, hanging.content, { at: 0, signal: abort.signal })
  await hanging.reached
  abort.abort()
  await assert.rejects(append, { name: 'AbortError' })
}

async function openFilesBelow(folder: string): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd')
  const targets = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return targets.filter((target) => target.startsWith(folder))
}

/** `synced`: what came to the disk, in order. */
function notedSync() {
  const synced: string[] = []
  const sync: FileSync = async (handle, what) => {
    synced.push(`${what} ${await readlink(`/proc/self/fd/${handle.fd}`)}`)
    return syncFile(handle, what)
  }
  return { sync, synced }
}
