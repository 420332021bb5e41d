import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { createPace } from '../../../modules/connected-registry/src/sync/pace.ts'
import { openTransferJournal } from '../../../modules/connected-registry/src/sync/transfer-journal.ts'
import { createTransfers } from '../../../modules/connected-registry/src/sync/transfers.ts'
import { aBlob, createBlobSource, refused } from './blob-source.ts'

const { signal } = new AbortController()
const blob = aBlob('layer')
const full = new StoreError('the disk is full', { code: 'ENOSPC', path: '/data' })

interface Stores {
  readonly blobs: BlobStore
  readonly records: RecordStore
}

const memoryStores = (): Stores => ({ blobs: createMemoryBlobStore(), records: createMemoryRecordStore() })

async function openTransfers({ blobs, records }: Stores) {
  const journal = await openTransferJournal({ blobs, records, leastBytes: 1 })
  const transfers = createTransfers({ blobs, journal, concurrency: 4, attempts: 1, pauseMs: () => 0 })
  return { journal, bring: (source: ContentSource) => transfers.bring(blob.descriptor, source, signal) }
}

async function leftIn({ blobs, records }: Stores) {
  const uploads: string[] = []
  for await (const { id } of blobs.listUploads()) uploads.push(id)
  const [notes, here] = await Promise.all([
    records.list(keys.transfers, { limit: 9 }),
    blobs.stat(blob.descriptor.digest)
  ])
  return { uploads: uploads.length, notes: notes.length, size: here?.size }
}

test('the parent is asked while the upload is being opened', async () => {
  const stores = memoryStores()
  const source = createBlobSource({ blobs: [blob] })
  const asked = Promise.withResolvers<void>()
  const watched: ContentSource = {
    ...source,
    blob(...request) {
      asked.resolve()
      return source.blob(...request)
    }
  }
  const beginUpload = () => asked.promise.then(() => stores.blobs.beginUpload())
  const { bring } = await openTransfers({ ...stores, blobs: { ...stores.blobs, beginUpload } })

  await bring(watched)

  assert.deepEqual(source.requests, [{ digest: blob.descriptor.digest, offset: 0, last: undefined }])
  assert.equal(source.held, 0)
  assert.deepEqual(await leftIn(stores), { uploads: 0, notes: 0, size: 100 })
})

test('what was asked for is let go of where the upload cannot be opened', async () => {
  const stores = memoryStores()
  const source = createBlobSource({ blobs: [blob] })
  const beginUpload = () => Promise.reject(full)
  const { bring } = await openTransfers({ ...stores, blobs: { ...stores.blobs, beginUpload } })

  await assert.rejects(bring(source), { code: 'ENOSPC' })

  assert.equal(source.requests.length, 1)
  assert.equal(source.held, 0)
})

test('what was asked for whole is let go of where the blob comes in parts after all', async () => {
  const stores = memoryStores()
  const source = createBlobSource({ blobs: [blob] })
  const held: number[] = []
  const watched: ContentSource = {
    ...source,
    blob(...request) {
      held.push(source.held)
      return source.blob(...request)
    }
  }
  let isLong = false
  const pace = {
    ...createPace(),
    get isLong() {
      return isLong
    }
  }
  const blobs: BlobStore = {
    ...stores.blobs,
    beginUpload(options) {
      isLong = true
      return stores.blobs.beginUpload(options)
    }
  }
  const journal = await openTransferJournal({ blobs, records: stores.records })
  const transfers = createTransfers({ blobs, journal, pace, concurrency: 1, smallBytes: 0, partBytes: 10 })

  await transfers.bring(blob.descriptor, watched, signal)

  assert.ok(held.length > 2)
  assert.equal(held.at(-1), 0)
  assert.deepEqual(await leftIn(stores), { uploads: 0, notes: 0, size: 100 })
})

test('content comes while its transfer is being noted, and is part of the store only once it is', async () => {
  const stores = memoryStores()
  const hasCome = Promise.withResolvers<void>()
  const records: RecordStore = {
    ...stores.records,
    async commit(batch) {
      if (batch.put) await hasCome.promise
      await stores.records.commit(batch)
    }
  }
  const blobs: BlobStore = {
    ...stores.blobs,
    append: (...content) => stores.blobs.append(...content).finally(hasCome.resolve),
    async commit(...upload) {
      assert.equal((await leftIn(stores)).notes, 1)
      return stores.blobs.commit(...upload)
    }
  }
  const { bring } = await openTransfers({ blobs, records })

  await bring(createBlobSource({ blobs: [blob] }))

  assert.deepEqual(await leftIn(stores), { uploads: 0, notes: 0, size: 100 })
})

test('a transfer that cannot be noted ends, whatever has come of it, and leaves nothing', async () => {
  const stores = memoryStores()
  const records: RecordStore = { ...stores.records, commit: () => Promise.reject(full) }
  const source = createBlobSource({ blobs: [blob], deliveries: [{ until: new Promise(() => {}) }] })
  const { bring } = await openTransfers({ ...stores, records })

  await assert.rejects(bring(source), { code: 'ENOSPC' })

  assert.equal(source.held, 0)
  assert.deepEqual(await leftIn(stores), { uploads: 0, notes: 0, size: undefined })
})

test('a transfer that fails before it is noted is left with its note', async () => {
  const stores = memoryStores()
  const hasFailed = Promise.withResolvers<void>()
  const records: RecordStore = {
    ...stores.records,
    commit: (batch) => hasFailed.promise.then(() => stores.records.commit(batch))
  }
  const blobs: BlobStore = {
    ...stores.blobs,
    append: (...content) => stores.blobs.append(...content).finally(hasFailed.resolve)
  }
  const { bring, journal } = await openTransfers({ blobs, records })

  const source = createBlobSource({ blobs: [blob], deliveries: [{ cutAfter: 30 }], failure: refused })
  await assert.rejects(bring(source), { code: 'DENIED' })

  assert.deepEqual(await leftIn(stores), { uploads: 1, notes: 1, size: undefined })
  assert.equal(await journal.drop(), 1)
  assert.deepEqual(await leftIn(stores), { uploads: 0, notes: 0, size: undefined })
})
