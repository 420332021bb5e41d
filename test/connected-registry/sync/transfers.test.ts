import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { openTransferJournal } from '../../../modules/connected-registry/src/sync/transfer-journal.ts'
import { createTransfers, type TransferOptions } from '../../../modules/connected-registry/src/sync/transfers.ts'
import { aBlob, createBlobSource, refused, type TestBlob, throttled } from './blob-source.ts'

const { signal } = new AbortController()

async function openTransfers(options: Partial<TransferOptions> = {}) {
  const blobs = watchUploads(createMemoryBlobStore())
  const journal = await openTransferJournal({ blobs, records: createMemoryRecordStore() })
  const transfers = createTransfers({ blobs, journal, concurrency: 4, pauseMs: () => 0, ...options })
  const bring = ({ descriptor }: TestBlob, source: ContentSource, until = signal) =>
    transfers.bring(descriptor, source, until)
  return { blobs, bring }
}

/** Counts the uploads that were begun and neither committed nor cancelled. */
function watchUploads(store: BlobStore): BlobStore & { readonly uploads: ReadonlySet<string> } {
  const uploads = new Set<string>()
  const ended = async <T>(id: string, end: Promise<T>) => {
    const result = await end
    uploads.delete(id)
    return result
  }
  return {
    ...store,
    uploads,
    async beginUpload() {
      const id = await store.beginUpload()
      uploads.add(id)
      return id
    },
    commit: (id, expected) => ended(id, store.commit(id, expected)),
    cancel: (id) => ended(id, store.cancel(id))
  }
}

async function contentOf(blobs: BlobStore, { descriptor }: TestBlob): Promise<Uint8Array> {
  const into = Buffer.alloc(descriptor.size)
  const reader = await blobs.open(descriptor.digest)
  await reader?.read(into)
  return into
}

async function digests(blobs: BlobStore): Promise<readonly string[]> {
  const all: string[] = []
  for await (const digest of blobs.list()) all.push(digest)
  return all
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
const offsets = ({ requests }: { requests: readonly { offset: number }[] }) => requests.map(({ offset }) => offset)

test('a transfer that was cut goes on at the byte where it stopped', async () => {
  const blob = aBlob('layer')
  const source = createBlobSource({ blobs: [blob], deliveries: [{ cutAfter: 30 }, { cutAfter: 45 }] })
  const counts: number[] = []
  const { blobs, bring } = await openTransfers({ onBytes: (count) => counts.push(count) })

  await bring(blob, source)

  assert.deepEqual(offsets(source), [0, 30, 75])
  assert.deepEqual(await contentOf(blobs, blob), Buffer.from(blob.bytes))
  assert.equal(sum(counts), 100)
})

test('a source that cannot skip begins anew, and what is here already is not written twice', async () => {
  const blob = aBlob('layer')
  const deliveries = [{ cutAfter: 35 }, { cutAfter: 20 }, { cutAfter: 50 }]
  const source = createBlobSource({ blobs: [blob], deliveries, ranges: false })
  const counts: number[] = []
  const { blobs, bring } = await openTransfers({ onBytes: (count) => counts.push(count) })

  await bring(blob, source)

  assert.deepEqual(offsets(source), [0, 35, 35, 50])
  assert.deepEqual(await contentOf(blobs, blob), Buffer.from(blob.bytes))
  assert.equal(sum(counts), 100)
})

test('attempts without a new byte are bounded, and leave nothing open', async () => {
  const blob = aBlob('layer')
  const stuck = Array.from({ length: 10 }, () => ({ cutAfter: 0 }))
  const source = createBlobSource({ blobs: [blob], deliveries: [{ cutAfter: 30 }, ...stuck] })
  const { blobs, bring } = await openTransfers({ attempts: 3 })

  await assert.rejects(bring(blob, source), { code: 'INTERRUPTED' })

  assert.deepEqual(offsets(source), [0, 30, 30, 30])
  assert.deepEqual([...blobs.uploads], [])
  assert.equal(await blobs.stat(blob.descriptor.digest), undefined)
})

test('a link that is cut again and again still brings a blob, as long as each attempt brings a byte', async () => {
  const blob = aBlob('layer', 20)
  const deliveries = Array.from({ length: 19 }, () => ({ cutAfter: 1 }))
  const { blobs, bring } = await openTransfers({ attempts: 1 })

  await bring(blob, createBlobSource({ blobs: [blob], deliveries }))

  assert.deepEqual(await blobs.stat(blob.descriptor.digest), { size: 20 })
})

test('what the parent refuses for good is not asked for again', async () => {
  const blob = aBlob('layer')
  const source = createBlobSource({ blobs: [blob], deliveries: [{ cutAfter: 30 }], failure: refused })
  const { blobs, bring } = await openTransfers()

  await assert.rejects(bring(blob, source), { code: 'DENIED' })

  assert.deepEqual(offsets(source), [0])
  assert.deepEqual([...blobs.uploads], [])
})

test('who is asked to wait longer than a round should last does not ask again in this one', async () => {
  const blob = aBlob('layer')
  const failure = () => throttled(3_600_000)
  const source = createBlobSource({ blobs: [blob], deliveries: [{ cutAfter: 30 }], failure })
  const { bring } = await openTransfers()

  await assert.rejects(bring(blob, source), { code: 'THROTTLED' })

  assert.deepEqual(offsets(source), [0])
})

test('content that is not what its digest says is asked for once more, and nothing of it stays', async () => {
  const blob = aBlob('layer')
  const liar = { ...blob, bytes: aBlob('something else').bytes }
  const source = createBlobSource({ blobs: [liar] })
  const { blobs, bring } = await openTransfers()

  await assert.rejects(bring(blob, source), { code: 'DIGEST_MISMATCH' })

  assert.deepEqual(offsets(source), [0, 0])
  assert.deepEqual([...blobs.uploads], [])
  assert.deepEqual(await digests(blobs), [])
})

test('content that was spoiled once arrives the second time', async () => {
  const blob = aBlob('layer')
  const honest = createBlobSource({ blobs: [blob] })
  const liar = createBlobSource({ blobs: [{ ...blob, bytes: aBlob('something else').bytes }] })
  const { blobs, bring } = await openTransfers()
  let asked = 0

  await bring(blob, { ...honest, blob: (...request) => (asked++ === 0 ? liar : honest).blob(...request) })

  assert.equal(asked, 2)
  assert.deepEqual(await contentOf(blobs, blob), Buffer.from(blob.bytes))
})

test('content that is wrong round after round is left alone for an hour', async () => {
  const blob = aBlob('layer')
  const source = createBlobSource({ blobs: [{ ...blob, bytes: aBlob('something else').bytes }] })
  let now = 0
  const { bring } = await openTransfers({ now: () => now })
  const refusedOnce = () => assert.rejects(bring(blob, source), { code: 'DIGEST_MISMATCH' })

  for (let round = 0; round < 5; round++) await refusedOnce()
  assert.equal(source.requests.length, 6)
  now = 3_600_000
  await refusedOnce()

  assert.equal(source.requests.length, 8)
})

test('what the store refuses before its first byte is let go of', async () => {
  const blob = aBlob('layer')
  const source = createBlobSource({ blobs: [blob] })
  const full = new StoreError('the disk is nearly full', { code: 'ENOSPC', path: '/data' })
  const blobs: BlobStore = { ...createMemoryBlobStore(), append: () => Promise.reject(full) }
  const { bring } = await openTransfers({ blobs })

  await assert.rejects(bring(blob, source), { code: 'ENOSPC' })

  assert.equal(source.requests.length, 1)
  assert.equal(source.held, 0)
})

test('a blob without a byte arrives', async () => {
  const blob = aBlob('nothing', 0)
  const { blobs, bring } = await openTransfers()

  await bring(blob, createBlobSource({ blobs: [blob] }))

  assert.deepEqual(await blobs.stat(blob.descriptor.digest), { size: 0 })
})

test('a blob that the store holds is not fetched', async () => {
  const blob = aBlob('layer')
  const source = createBlobSource({ blobs: [blob] })
  const { bring } = await openTransfers()
  await bring(blob, source)

  await bring(blob, source)

  assert.equal(source.requests.length, 1)
})

test('a digest is fetched once, however many want it and from wherever', async () => {
  const blob = aBlob('layer')
  const [one, other] = [createBlobSource({ blobs: [blob] }), createBlobSource({ blobs: [blob] })]
  const { bring } = await openTransfers()

  await Promise.all([bring(blob, one), bring(blob, one), bring(blob, other)])

  assert.equal(one.requests.length + other.requests.length, 1)
})

test('no more transfers run at once than there are places', async () => {
  const many = Array.from({ length: 9 }, (_, index) => aBlob(`layer ${index}`))
  const source = createBlobSource({ blobs: many })
  const { blobs, bring } = await openTransfers({ concurrency: 2 })

  await Promise.all(many.map((blob) => bring(blob, source)))

  assert.equal(source.mostOpen, 2)
  assert.equal((await digests(blobs)).length, 9)
})

test('an abort ends transfers under way and those that wait, and leaves nothing open', async () => {
  const many = [aBlob('one'), aBlob('two')]
  const never = new Promise<void>(() => {})
  const source = createBlobSource({ blobs: many, deliveries: [{ until: never }] })
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const { blobs, bring } = await openTransfers({ concurrency: 1, onBytes: () => resolve() })
  const abort = new AbortController()
  const ends = Promise.allSettled(many.map((blob) => bring(blob, source, abort.signal)))
  await arrived

  abort.abort(new Error('enough'))

  for (const end of await ends) assert.equal(end.status === 'rejected' && end.reason.message, 'enough')
  assert.deepEqual([...blobs.uploads], [])
  assert.equal(source.requests.length, 1)
})

test('who joined a transfer that is called off brings the blob themselves', async () => {
  const blob = aBlob('layer')
  const never = new Promise<void>(() => {})
  const source = createBlobSource({ blobs: [blob], deliveries: [{ until: never }] })
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const { blobs, bring } = await openTransfers({ onBytes: () => resolve() })
  const abort = new AbortController()
  const first = bring(blob, source, abort.signal)
  const second = bring(blob, source)
  await arrived

  abort.abort(new Error('enough'))

  await assert.rejects(first, { message: 'enough' })
  await second
  assert.deepEqual(await blobs.stat(blob.descriptor.digest), { size: 100 })
})

test('who joined a transfer leaves it when they are called off, and it goes on', async () => {
  const blob = aBlob('layer')
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const { blobs, bring } = await openTransfers()
  const abort = new AbortController()
  const first = bring(blob, createBlobSource({ blobs: [blob], deliveries: [{ until }] }))
  const second = bring(blob, createBlobSource({ blobs: [blob] }), abort.signal)

  abort.abort(new Error('enough'))

  await assert.rejects(second, { message: 'enough' })
  goOn()
  await first
  assert.deepEqual(await blobs.stat(blob.descriptor.digest), { size: 100 })
})

test('a source that refuses a blob does not refuse it for another source', async () => {
  const blob = aBlob('layer')
  const { bring } = await openTransfers()

  const ends = await Promise.allSettled([
    bring(blob, createBlobSource({ blobs: [] })),
    bring(blob, createBlobSource({ blobs: [blob] }))
  ])

  assert.deepEqual(
    ends.map(({ status }) => status),
    ['rejected', 'fulfilled']
  )
})
