import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { syncFile } from '../../../modules/connected-registry/src/storage/upload-file.ts'
import { inChunks, listBlobs, putBlob } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { beginUpload, patch, serveWritable } from '../http/pushing.ts'
import { basic } from '../http/served-registry.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A disk that fails one sync and then says that all is well, as Linux does once it has told of an error. */
async function storeOnBadDisk(t: TestContext) {
  const paths = storePaths(await temporaryFolder())
  const disk = { failures: 0, code: 'EIO' }
  const blobs = await createFilesystemBlobStore(paths, async (handle, what) => {
    if (disk.failures-- > 0) throw Object.assign(new Error(`${disk.code}: fsync`), { code: disk.code })
    return syncFile(handle, what)
  })
  t.after(() => blobs.close())
  return { blobs, disk, uploads: () => readdir(paths.uploads) }
}

const bytes = randomBytes('lost', 50_000)

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
  const large = Buffer.alloc(17 * 1024 * 1024, 'large')
  const upload = await blobs.beginUpload()

  disk.failures = 1
  const pushed = blobs
    .append(upload, inChunks(large, 65_536), { at: 0 })
    .then(() => blobs.commit(upload, digestOf(large)))

  await assert.rejects(pushed, { code: 'EIO', message: /did not take what was written/ })
  assert.deepEqual(await listBlobs(blobs), [])
  assert.deepEqual(await uploads(), [])
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
