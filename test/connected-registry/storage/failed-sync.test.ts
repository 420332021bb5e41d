import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, symlink, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { digestOf, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { type FileSync, syncFile } from '../../../modules/connected-registry/src/storage/durable-files.ts'
import { createEarlySyncPlaces } from '../../../modules/connected-registry/src/storage/early-sync.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { createBlocks } from '../../../modules/connected-registry/src/storage/gathered-writes.ts'
import { createHashing } from '../../../modules/connected-registry/src/storage/hashing.ts'
import { blobPath, storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { codeOf } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { createUploadFile, loadUploadFile } from '../../../modules/connected-registry/src/storage/upload-file.ts'
import { inChunks, listBlobs, putBlob } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { beginUpload, patch, serveWritable } from '../http/pushing.ts'
import { basic } from '../http/served-registry.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A disk that fails one sync and then says that all is well, as Linux does once it has told of an error. */
async function storeOnBadDisk(t: TestContext) {
  const paths = storePaths(await temporaryFolder())
  const disk = { failures: 0, code: 'EIO', fails: (_what: Parameters<FileSync>[1]): boolean => true }
  const sync: FileSync = async (handle, what) => {
    if (disk.fails(what) && disk.failures-- > 0)
      throw Object.assign(new Error(`${disk.code}: fsync`), { code: disk.code })
    return syncFile(handle, what)
  }
  const blobs = await createFilesystemBlobStore(paths, { sync })
  t.after(() => blobs.close())
  return { blobs, disk, uploads: () => readdir(paths.uploads) }
}

/** Of this process: not one file more, or as many as before. */
function descriptorLimit(t: TestContext) {
  const setLimit = (soft: string) => `read line; prlimit --pid "$0" --nofile=${soft}:; echo done`
  const script = `soft=$(prlimit --pid "$0" --nofile --output SOFT --noheadings); ${setLimit('3')}; ${setLimit('$soft')}`
  const helper = spawn('sh', ['-c', script, `${process.pid}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => helper.kill())
  const next = async () => {
    helper.stdin.write('next\n')
    await once(helper.stdout, 'data')
  }
  return { lower: next, raise: next }
}

const bytes = randomBytes('lost', 50_000)
/** Begins to come to the disk while it arrives. */
const large = Buffer.alloc(17 * 1024 * 1024, 'large')

test('an upload whose sync failed is over: it cannot be committed later, and nothing is shown', async (t) => {
  const { blobs, disk, uploads } = await storeOnBadDisk(t)
  const upload = await blobs.beginUpload()
  await blobs.append(upload, inChunks(bytes, 10_000), { at: 0 })

  disk.failures = 1
  await assert.rejects(blobs.commit(upload, digestOf(bytes)), { code: 'EIO', message: /did not take what was written/ })

  await assert.rejects(blobs.commit(upload, digestOf(bytes)), { code: 'UPLOAD_UNKNOWN' })
  assert.deepEqual(await listBlobs(blobs), [])
  assert.deepEqual(await uploads(), [])
  assert.equal(await putBlob(blobs, bytes), digestOf(bytes))
})

test('so is one of parallel ranges, as soon as one of them was not taken', async (t) => {
  const { blobs, disk, uploads } = await storeOnBadDisk(t)
  const upload = await blobs.beginUpload()
  await blobs.append(upload, inChunks(bytes.subarray(20_000), 10_000), { at: 20_000, sparse: true })

  disk.failures = 1
  const rest = blobs.append(upload, inChunks(bytes.subarray(0, 20_000), 10_000), { at: 0, sparse: true })

  await assert.rejects(rest, { code: 'EIO' })
  await assert.rejects(blobs.commit(upload, digestOf(bytes)), { code: 'UPLOAD_UNKNOWN' })
  assert.deepEqual(await uploads(), [])
})

test('so is one that the disk does not take while it still arrives, though the disk then says that all is well', async (t) => {
  const { blobs, disk, uploads } = await storeOnBadDisk(t)
  const upload = await blobs.beginUpload()

  disk.failures = 1
  const pushed = blobs
    .append(upload, inChunks(large, 65_536), { at: 0 })
    .then(() => blobs.commit(upload, digestOf(large)))

  await assert.rejects(pushed, { code: 'EIO', message: /did not take what was written/ })
  assert.deepEqual(await listBlobs(blobs), [])
  assert.deepEqual(await uploads(), [])
})

test('so is one whose name the disk does not take, and the blob is not shown, unless it was there before', async (t) => {
  const { blobs, disk, uploads } = await storeOnBadDisk(t)
  disk.fails = (what) => what === 'names'

  disk.failures = 1
  await assert.rejects(putBlob(blobs, bytes), { code: 'EIO', message: /did not take what was written/ })
  assert.deepEqual([await listBlobs(blobs), await uploads()], [[], []])
  await putBlob(blobs, bytes)
  disk.failures = 1
  await assert.rejects(putBlob(blobs, bytes), { code: 'EIO' })

  assert.deepEqual([await listBlobs(blobs), await uploads()], [[digestOf(bytes)], []])
})

test('a blob is shown to nobody before the disk has taken its name', async (t) => {
  const digest = digestOf(bytes)
  const seen: unknown[] = []
  const sync: FileSync = async (handle, what) => {
    if (what === 'names') seen.push(await blobs.stat(digest), await blobs.open(digest))
    return syncFile(handle, what)
  }
  const blobs = await createFilesystemBlobStore(storePaths(await temporaryFolder()), { sync })
  t.after(() => blobs.close())

  await putBlob(blobs, bytes)

  assert.deepEqual(seen, [undefined, undefined])
  assert.deepEqual(await blobs.stat(digest), { size: bytes.length })
})

test('where no descriptor is left to bring a name to the disk, the upload has its bytes and can be tried again', async (t) => {
  // So the blob's folder is durable.
  const before = async (blobs: BlobStore) => void (await blobs.remove(await putBlob(blobs, bytes)))
  const { blobs, upload, digest, failed } = await commitWithoutDescriptors(t, { before, after: 'all' })

  assert.equal(failed, 'EMFILE')
  assert.deepEqual([await blobs.stat(digest), (await blobs.uploadState(upload))?.size], [undefined, bytes.length])
  assert.deepEqual(await blobs.commit(upload, digest), { digest, size: bytes.length })
})

test('where none is left to take it out of quarantine, a blob stays there and can be tried again', async (t) => {
  const before = async (blobs: BlobStore) => void (await blobs.quarantine(await putBlob(blobs, bytes)))
  const { blobs, upload, digest, failed } = await commitWithoutDescriptors(t, { before, after: 'names' })

  assert.equal(failed, 'EMFILE')
  assert.deepEqual([await blobs.stat(digest), [...blobs.quarantined]], [undefined, [digest]])
  assert.deepEqual(await blobs.commit(upload, digest), { digest, size: bytes.length })
  assert.deepEqual([await blobs.stat(digest), [...blobs.quarantined]], [{ size: bytes.length }, []])
})

/** A commit that finds no descriptor any more from the sync of `after` on; ahead of its upload, `before`. */
async function commitWithoutDescriptors(
  t: TestContext,
  { before, after }: { readonly before: (blobs: BlobStore) => Promise<void>; readonly after: 'all' | 'names' }
) {
  const limit = descriptorLimit(t)
  let armed = false
  const sync: FileSync = async (handle, what) => {
    await syncFile(handle, what)
    if (what === after && armed) await limit.lower()
  }
  const blobs = await createFilesystemBlobStore(storePaths(await temporaryFolder()), { sync })
  t.after(() => blobs.close())
  await before(blobs)
  const upload = await blobs.beginUpload()
  await blobs.append(upload, inChunks(bytes, 10_000), { at: 0 })
  armed = true
  const failed = await blobs.commit(upload, digestOf(bytes)).catch(codeOf)
  armed = false
  await limit.raise()
  return { blobs, upload, digest: digestOf(bytes), failed }
}

test('what the disk did not take counts as missing after a restart, when nobody knows any more', async () => {
  const folder = await temporaryFolder()
  const sync = () => Promise.reject(Object.assign(new Error('EIO: fsync'), { code: 'EIO' }))
  const means = { blocks: createBlocks(), earlySyncs: createEarlySyncPlaces(), hashing: createHashing(), sync }
  const upload = await createUploadFile(folder, 'upload', means)
  const size = await upload.append(inChunks(Buffer.alloc(8 * 1024 * 1024), 65_536), { at: 0 })
  await assert.rejects(upload.sync(), { code: 'EIO' })

  const restarted = await loadUploadFile(folder, 'upload', { ...means, sync: syncFile })

  assert.equal(size, 8 * 1024 * 1024)
  assert.deepEqual(restarted?.session.state(), { size: 0, end: 0, missing: [] })
  await restarted.append(inChunks(bytes, 10_000), { at: 0 })
  assert.equal(await restarted.hash('sha256'), hexOf(digestOf(bytes)))
  await restarted.sync()
  assert.deepEqual(await readFile(restarted.data), bytes)
  await means.hashing.close()
})

test('so do bytes that leave a hole, though the disk says that all is well when it is asked once more', async () => {
  const folder = await temporaryFolder()
  let fails = false
  const sync: FileSync = async (handle, what) => {
    if (fails && what === 'data') {
      fails = false
      throw Object.assign(new Error('EIO: fdatasync'), { code: 'EIO' })
    }
    return syncFile(handle, what)
  }
  const means = { blocks: createBlocks(), earlySyncs: createEarlySyncPlaces(), hashing: createHashing(), sync }
  const upload = await createUploadFile(folder, 'upload', means)
  await upload.append(inChunks(bytes, 10_000), { at: 20_000_000, sparse: true })

  fails = true
  await assert.rejects(upload.append(inChunks(large, 65_536), { at: 0, sparse: true }), { code: 'EIO' })

  const restarted = await loadUploadFile(folder, 'upload', means)
  assert.equal(restarted?.session.state().size, 0)
  await means.hashing.close()
})

test('a store is not closed before the disk has said what it took', async () => {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slowly = () => {
    begun.resolve()
    return ended.promise
  }
  const blobs = await createFilesystemBlobStore(storePaths(await temporaryFolder()), { sync: slowly })
  await blobs.append(await blobs.beginUpload(), inChunks(large, 65_536), { at: 0 })
  await begun.promise

  const order: string[] = []
  const closing = blobs.close().then(() => order.push('closed'))
  // Meanwhile another one does all that and more.
  const other = await createFilesystemBlobStore(storePaths(await temporaryFolder()))
  await putBlob(other, large)
  await other.close()
  order.push('ended')
  ended.resolve()
  await closing

  assert.deepEqual(order, ['ended', 'closed'])
})

for (const [code, status, answered] of [
  ['EIO', 500, /"INTERNAL".*the disk did not take what was written: the upload is over/],
  ['ENOSPC', 507, /"STORAGE_FULL"/]
] as const) {
  test(`a client is told that its upload is over (${code}), and may begin anew`, async (t) => {
    const { blobs, disk } = await storeOnBadDisk(t)
    const served = await serveWritable(t, { blobs })
    const location = await beginUpload(served)
    await patch(served, location, bytes)
    const finish = `${location}?digest=${digestOf(bytes)}`

    Object.assign(disk, { failures: 1, code })
    const failed = await served.send('PUT', finish, basic('writer'))

    assert.equal(failed.status, status)
    assert.match(failed.text, answered)
    assert.doesNotMatch(failed.text, /uploads\//)
    assert.equal((await served.send('PUT', finish, basic('writer'))).status, 404)
    assert.equal((await served.send('HEAD', `/v2/app/web/blobs/${digestOf(bytes)}`, basic('writer'))).status, 404)
  })
}

test('where the folder of a blob cannot be made, its commit fails when nothing of it is on its way any more', async (t) => {
  const paths = storePaths(await temporaryFolder())
  const syncs: string[] = []
  const sync: FileSync = async (handle, what) => {
    syncs.push('begun')
    await syncFile(handle, what)
    syncs.push('ended')
  }
  const blobs = await createFilesystemBlobStore(paths, { sync })
  t.after(() => blobs.close())
  const digest = digestOf(bytes)
  const folder = dirname(blobPath(paths.blobs, digest))
  await symlink(join(paths.blobs, 'nowhere', 'at', 'all'), folder)
  const upload = await blobs.beginUpload()
  await blobs.append(upload, inChunks(bytes, 10_000), { at: 0 })

  await assert.rejects(blobs.commit(upload, digest), ({ code }: NodeJS.ErrnoException) => code !== undefined)
  assert.deepEqual(syncs, ['begun', 'ended'])
  assert.equal(await blobs.stat(digest), undefined)

  await unlink(folder)
  assert.deepEqual(await blobs.commit(upload, digest), { digest, size: bytes.length })
})
