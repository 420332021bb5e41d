import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createDiskGuard, type DiskFigures } from '../../../modules/connected-registry/src/storage/disk-guard.ts'
import { guardBlobs } from '../../../modules/connected-registry/src/storage/guarded-blobs.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { inChunks, putBlob, readBlob } from '../../contracts/blob-content.ts'
import { blobStoreContract } from '../../contracts/blob-store.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'

const mib = 1024 * 1024

blobStoreContract('guarded', async () => guardBlobs(createMemoryBlobStore(), aDisk(5000 * mib).guard))

/** A disk of 100 GiB with so much room, and a clock by which every look is a fresh one. */
function aDisk(freeBytes: number, sizeBytes = 102_400 * mib) {
  const disk = { freeBytes, looks: 0 }
  let clock = 0
  const statfs = async (): Promise<DiskFigures> => {
    disk.looks++
    return { blocks: sizeBytes / 4096, bavail: disk.freeBytes / 4096, bsize: 4096 }
  }
  const now = () => {
    clock += 1000
    return clock
  }
  return { disk, guard: createDiskGuard({ path: '/data', statfs, now, everyMs: 0 }) }
}

test('a hundredth of the disk is kept free, and at least 256 MiB', async () => {
  const cases = [
    [102_400 * mib, 1025 * mib, undefined],
    [102_400 * mib, 1023 * mib, 'the disk is nearly full: less than 1024 MiB are free'],
    [2000 * mib, 257 * mib, undefined],
    [2000 * mib, 255 * mib, 'the disk is nearly full: less than 256 MiB are free']
  ] as const
  for (const [size, free, problem] of cases) {
    const { guard } = aDisk(free, size)

    await guard.look()

    assert.equal(guard.problem, problem)
  }
})

test('on a nearly full disk nothing comes in, everything can be read and removed, and then there is room again', async () => {
  const { disk, guard } = aDisk(5000 * mib)
  const store = guardBlobs(createMemoryBlobStore(), guard)
  const digest = await putBlob(store, randomBytes('before', 1000))
  const upload = await store.beginUpload()
  const problems: (string | undefined)[] = []
  guard.onChange(() => problems.push(guard.problem))

  disk.freeBytes = 10 * mib

  await assert.rejects(store.beginUpload(), { code: 'ENOSPC', message: /nearly full: less than 1024 MiB are free/ })
  await assert.rejects(store.append(upload, inChunks(randomBytes('more', 10), 10), { at: 0 }), { code: 'ENOSPC' })
  assert.equal((await readBlob(store, digest))?.length, 1000)
  assert.equal(await store.remove(digest), true)
  assert.equal(await store.cancel(upload), true)
  disk.freeBytes = 5000 * mib
  await putBlob(store, randomBytes('after', 1000))
  assert.equal(problems.length, 2)
  assert.equal(problems.at(-1), undefined)
})

test('how much room there is, is known as of the last look', async () => {
  const { disk, guard } = aDisk(5000 * mib)
  assert.equal(guard.room, undefined)

  await guard.look()
  assert.deepEqual(guard.room, { free: 5000 * mib, reserve: 1024 * mib, quota: undefined })
  disk.freeBytes = 10 * mib
  guard.setQuota(7)
  await guard.look()

  assert.deepEqual(guard.room, { free: 10 * mib, reserve: 1024 * mib, quota: 7 })
})

test('a disk that stays nearly full is one problem, however much of it is free at each look', async () => {
  const { disk, guard } = aDisk(5000 * mib)
  let told = 0
  guard.onChange(() => told++)

  for (const free of [200, 180, 190, 40, 0]) {
    disk.freeBytes = free * mib
    await guard.look()
  }

  assert.equal(told, 1)
})

test('a disk that fills while an upload comes ends the upload', async () => {
  const { disk, guard } = aDisk(5000 * mib)
  const store = guardBlobs(createMemoryBlobStore(), guard)
  const upload = await store.beginUpload()
  async function* endless() {
    for (let sent = 0; ; sent++) {
      if (sent === 20) disk.freeBytes = 0
      yield new Uint8Array(mib)
    }
  }

  await assert.rejects(store.append(upload, endless(), { at: 0 }), { code: 'ENOSPC' })
})

test('a quota counts what is there, what comes and what goes', async () => {
  const { guard } = aDisk(5000 * mib)
  const blobs = createMemoryBlobStore()
  await putBlob(blobs, randomBytes('there before', 4000))
  const store = guardBlobs(blobs, guard)
  guard.setQuota(10_000)

  const digest = await putBlob(store, randomBytes('second', 5000))
  await putBlob(store, randomBytes('second', 5000))
  await putBlob(store, randomBytes('third', 2000))

  await assert.rejects(store.beginUpload(), { code: 'EDQUOT' })
  assert.match(guard.problem ?? '', /quota/)
  await store.remove(digest)
  await putBlob(store, randomBytes('fourth', 3000))
  guard.setQuota(5000)
  await assert.rejects(store.beginUpload(), { code: 'EDQUOT' })
  guard.setQuota(undefined)
  await store.cancel(await store.beginUpload())
})

test('a blob that two bring at once is counted once', async () => {
  const store = guardBlobs(createMemoryBlobStore(), aDisk(5000 * mib).guard)
  assert.deepEqual(await store.total.read(), { count: 0, bytes: 0 })
  const bytes = randomBytes('the same', 1000)

  const [digest] = await Promise.all([putBlob(store, bytes), putBlob(store, bytes)])

  assert.deepEqual(await store.total.read(), { count: 1, bytes: 1000 })
  await store.remove(digest)
  assert.deepEqual(await store.total.read(), { count: 0, bytes: 0 })
  await putBlob(store, bytes)
  assert.deepEqual(await store.total.read(), { count: 1, bytes: 1000 })
})

test('bytes of open uploads count towards the quota', async () => {
  const { guard } = aDisk(5000 * mib)
  const store = guardBlobs(createMemoryBlobStore(), guard)
  guard.setQuota(10_000)
  const first = await store.beginUpload()
  await store.append(first, inChunks(randomBytes('open', 10_000), 1000), { at: 0 })

  await assert.rejects(store.beginUpload(), { code: 'EDQUOT' })
  await store.cancel(first)
  const bytes = randomBytes('then', 100)
  assert.equal(await putBlob(store, bytes), digestOf(bytes))
})

test('bytes of uploads that were open before count towards the quota until they end', async () => {
  const { guard } = aDisk(5000 * mib)
  const blobs = createMemoryBlobStore()
  const before = await blobs.beginUpload()
  await blobs.append(before, inChunks(randomBytes('open', 6000), 1000), { at: 0 })
  const store = guardBlobs(blobs, guard)
  await store.append(before, inChunks(randomBytes('more', 3000), 1000), { at: 6000 })
  guard.setQuota(9500)
  const other = await store.beginUpload()

  await store.append(other, inChunks(randomBytes('other', 500), 100), { at: 0 })

  await assert.rejects(store.beginUpload(), { code: 'EDQUOT' })
  await store.cancel(before)
  await putBlob(store, randomBytes('then', 8000))
})

test('a count that fails admits nothing, and the next one counts anew', async () => {
  const { guard } = aDisk(5000 * mib)
  const blobs = createMemoryBlobStore()
  await putBlob(blobs, randomBytes('there before', 4000))
  let broken = true
  async function* list() {
    yield* blobs.list()
    if (broken) throw new Error('too many open files')
  }
  const store = guardBlobs({ ...blobs, list }, guard)
  guard.setQuota(10_000)
  await assert.rejects(store.beginUpload(), { code: 'EIO' })

  broken = false

  await putBlob(store, randomBytes('second', 5000))
  assert.equal(guard.problem, undefined)
  await putBlob(store, randomBytes('third', 1000))
  await assert.rejects(store.beginUpload(), { code: 'EDQUOT' })
})

test('a disk that does not answer admits nothing, and says why', async () => {
  const statfs = async () => {
    throw new Error('input/output error')
  }
  const guard = createDiskGuard({ path: '/data', statfs, everyMs: 0 })

  await assert.rejects(guard.admit(), { code: 'EIO', message: /does not say how full/ })
})

test('questions that come together are answered by one look', async () => {
  let looks = 0
  const statfs = async () => {
    looks++
    return { blocks: 1e9, bavail: 1e9, bsize: 4096 }
  }
  const guard = createDiskGuard({ path: '/data', statfs, now: () => 0, everyMs: 0 })

  await Promise.all(Array.from({ length: 50 }, () => guard.admit()))

  assert.equal(looks, 1)
})

test('the real disk answers', async (t) => {
  const guard = createDiskGuard({ path: import.meta.dirname })
  t.after(() => guard.close())

  await guard.look()

  assert.doesNotMatch(guard.problem ?? '', /does not say/)
})
