import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import type { Pace } from '../../../modules/connected-registry/src/sync/pace.ts'
import { openTransferJournal } from '../../../modules/connected-registry/src/sync/transfer-journal.ts'
import { createTransfers, type TransferOptions } from '../../../modules/connected-registry/src/sync/transfers.ts'
import { aBlob, createBlobSource, refused, type TestBlob } from './blob-source.ts'

const { signal } = new AbortController()
const day = 24 * 3_600_000
const start = Date.parse('2026-11-29T06:00:00Z')

function aStore() {
  return { blobs: createMemoryBlobStore(), records: createMemoryRecordStore() }
}

/** What one process does with a store; every blob is worth a note. */
async function aProcess(
  { blobs, records }: ReturnType<typeof aStore>,
  options: Partial<TransferOptions> & { readonly at?: number; readonly leastBytes?: number } = {}
) {
  const { at = start, leastBytes = 1 } = options
  const journal = await openTransferJournal({ blobs, records, leastBytes, now: () => new Date(at) })
  const usual = { concurrency: 4, smallBytes: 0, attempts: 1, pauseMs: () => 0 }
  const transfers = createTransfers({ blobs, journal, ...usual, ...options })
  const bring = ({ descriptor }: TestBlob, source: ContentSource) => transfers.bring(descriptor, source, signal)
  return { journal, bring }
}

async function uploads(blobs: BlobStore): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { id } of blobs.listUploads()) ids.push(id)
  return ids
}

async function contentOf(blobs: BlobStore, { descriptor }: TestBlob): Promise<Uint8Array> {
  const into = Buffer.alloc(descriptor.size)
  const reader = await blobs.open(descriptor.digest)
  await reader?.read(into)
  return into
}

const stuck = (cutAfter: number) => [{ cutAfter }, { cutAfter: 0 }]
const offsets = ({ requests }: { requests: readonly { offset: number }[] }) => requests.map(({ offset }) => offset)

test('what a process brought of a blob is where the next one goes on', async () => {
  const store = aStore()
  const blob = aBlob('layer')
  const first = await aProcess(store)
  await assert.rejects(first.bring(blob, createBlobSource({ blobs: [blob], deliveries: stuck(30) })))

  const source = createBlobSource({ blobs: [blob] })
  const second = await aProcess(store)
  await second.bring(blob, source)

  assert.deepEqual(offsets(source), [30])
  assert.deepEqual(await contentOf(store.blobs, blob), Buffer.from(blob.bytes))
  assert.deepEqual(await uploads(store.blobs), [])
  assert.equal(await second.journal.drop(), 0)
})

test('another address of the parent goes on at the byte as well', async () => {
  const store = aStore()
  const blob = aBlob('layer')
  const { bring } = await aProcess(store)
  await assert.rejects(bring(blob, createBlobSource({ blobs: [blob], deliveries: stuck(30) })))

  const moved = createBlobSource({ blobs: [blob] })
  await bring(blob, moved)

  assert.deepEqual(offsets(moved), [30])
})

test('a blob too small to be noted begins anew, and leaves nothing', async () => {
  const store = aStore()
  const blob = aBlob('layer')
  const { bring } = await aProcess(store, { leastBytes: 101 })
  await assert.rejects(bring(blob, createBlobSource({ blobs: [blob], deliveries: stuck(30) })))

  assert.deepEqual(await uploads(store.blobs), [])
})

test('a manifest that is wrong about the size of a blob does not spoil what came of it', async () => {
  const store = aStore()
  const blob = aBlob('layer')
  const { bring } = await aProcess(store)
  await assert.rejects(bring(blob, createBlobSource({ blobs: [blob], deliveries: stuck(30) })))
  const wrong = { ...blob, descriptor: { ...blob.descriptor, size: 50 } }

  await assert.rejects(bring(wrong, createBlobSource({ blobs: [blob] })), { code: 'DIGEST_MISMATCH' })
  await bring(blob, createBlobSource({ blobs: [blob] }))

  assert.deepEqual(await store.blobs.stat(blob.descriptor.digest), { size: 100 })
  assert.deepEqual(await uploads(store.blobs), [])
})

test('an upload that somebody else ended is begun anew', async () => {
  const store = aStore()
  const blob = aBlob('layer')
  const { bring } = await aProcess(store)
  await assert.rejects(bring(blob, createBlobSource({ blobs: [blob], deliveries: stuck(30) })))
  for (const id of await uploads(store.blobs)) await store.blobs.cancel(id)

  const source = createBlobSource({ blobs: [blob] })
  await bring(blob, source)

  assert.deepEqual(offsets(source), [0])
})

test('what nobody wanted for a day goes, what was wanted since stays', async () => {
  const store = aStore()
  const [old, fresh] = [aBlob('old'), aBlob('fresh')]
  const cut = (blob: TestBlob) => createBlobSource({ blobs: [blob], deliveries: stuck(30) })
  const yesterday = await aProcess(store)
  await assert.rejects(yesterday.bring(old, cut(old)))
  await assert.rejects(yesterday.bring(fresh, cut(fresh)))
  const { bring, journal } = await aProcess(store, { at: start + day + 1 })
  await assert.rejects(bring(fresh, cut(fresh)))

  assert.equal(await journal.drop(new Date(start + 1)), 1)

  const [left] = await uploads(store.blobs)
  assert.equal(left !== undefined && journal.holds(left), true)
  assert.equal(await journal.drop(), 1)
  assert.deepEqual(await uploads(store.blobs), [])
})

test('a full disk gets the room of every partial transfer back', async () => {
  const store = aStore()
  const [waiting, late] = [aBlob('waiting'), aBlob('late')]
  const { bring } = await aProcess(store)
  await assert.rejects(bring(waiting, createBlobSource({ blobs: [waiting], deliveries: stuck(30) })))
  const full = new StoreError('the disk is nearly full', { code: 'ENOSPC', path: '/data' })
  const fullBlobs: BlobStore = { ...store.blobs, append: () => Promise.reject(full) }
  const { bring: bringFull } = await aProcess({ ...store, blobs: fullBlobs as typeof store.blobs })

  await assert.rejects(bringFull(late, createBlobSource({ blobs: [late] })), { code: 'ENOSPC' })

  assert.deepEqual(await uploads(store.blobs), [])
})

const longLink: Pace = {
  isLong: true,
  measure: async function* (content) {
    yield* content
  }
}

test('on a long link a large blob comes in parts side by side', async () => {
  const store = aStore()
  const blob = aBlob('large', 200)
  const source = createBlobSource({ blobs: [blob] })
  const { bring } = await aProcess(store, { partBytes: 50, pace: longLink, concurrency: 3 })

  await bring(blob, source)

  assert.deepEqual(
    source.requests.map(({ offset, last }) => [offset, last]),
    [
      [0, 49],
      [50, 99],
      [100, 149],
      [150, undefined]
    ]
  )
  assert.equal(source.mostOpen, 3)
  assert.deepEqual(await contentOf(store.blobs, blob), Buffer.from(blob.bytes))
})

test('a short link brings the first part, and then the rest in one piece', async () => {
  const store = aStore()
  const blob = aBlob('large', 200)
  const source = createBlobSource({ blobs: [blob] })
  let measured = 0
  const pace: Pace = {
    get isLong() {
      return measured > 0 ? false : undefined
    },
    async *measure(content) {
      yield* content
      measured++
    }
  }
  const { bring } = await aProcess(store, { partBytes: 50, pace })

  await bring(blob, source)

  assert.deepEqual(
    source.requests.map(({ offset, last }) => [offset, last]),
    [
      [0, 49],
      [50, undefined]
    ]
  )
  assert.deepEqual(await contentOf(store.blobs, blob), Buffer.from(blob.bytes))
})

test('parts that came before a failure are not fetched again', async () => {
  const store = aStore()
  const blob = aBlob('large', 200)
  const deliveries = [{ cutAfter: 20 }, 'whole', 'whole'] as const
  const failing = createBlobSource({ blobs: [blob], deliveries, failure: refused })
  const { bring } = await aProcess(store, { partBytes: 50, pace: longLink, concurrency: 3 })
  await assert.rejects(bring(blob, failing), { code: 'DENIED' })

  const source = createBlobSource({ blobs: [blob] })
  const next = await aProcess(store, { partBytes: 50, pace: longLink, concurrency: 3 })
  await next.bring(blob, source)

  assert.deepEqual(
    source.requests.map(({ offset, last }) => [offset, last]),
    [
      [20, 49],
      [150, undefined]
    ]
  )
  assert.deepEqual(await contentOf(store.blobs, blob), Buffer.from(blob.bytes))
})

for (const concurrency of [1, 4]) {
  test(`a parent that gives no parts brings the blob in one piece, with ${concurrency} at once`, async () => {
    const store = aStore()
    const blob = aBlob('large', 1000)
    const source = createBlobSource({ blobs: [blob], ranges: false })
    const { bring } = await aProcess(store, { partBytes: 50, pace: longLink, concurrency })

    await bring(blob, source)

    assert.deepEqual(await contentOf(store.blobs, blob), Buffer.from(blob.bytes))
    assert.equal(source.held, 0)
    assert.ok(source.requests.length <= concurrency + 1)
  })
}

test('while other blobs have all the places a large one comes in order, several parts at a time', async () => {
  const store = aStore()
  const [large, other] = [aBlob('large', 1000), aBlob('other', 40)]
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const source = createBlobSource({ blobs: [large, other], deliveries: [{ until }] })
  const { bring } = await aProcess(store, { partBytes: 100, pace: longLink, concurrency: 2 })

  const held = bring(other, source)
  await bring(large, source)
  goOn()
  await held

  assert.deepEqual(
    source.requests.slice(1).map(({ offset, last }) => [offset, last]),
    [
      [0, 399],
      [400, 799],
      [800, undefined]
    ]
  )
  assert.deepEqual(await contentOf(store.blobs, large), Buffer.from(large.bytes))
})

test('small blobs do not wait for large ones', async () => {
  const store = aStore()
  const [large, small] = [aBlob('large', 200), aBlob('small', 40)]
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const source = createBlobSource({ blobs: [large, small], deliveries: [{ until }] })
  const { bring } = await aProcess(store, { concurrency: 1, smallBytes: 40 })

  const held = bring(large, source)
  await bring(small, source)

  assert.deepEqual(await contentOf(store.blobs, small), Buffer.from(small.bytes))
  goOn()
  await held
})

test('who waits for a place gets it before the next part of a large blob', async () => {
  const store = aStore()
  const [large, small] = [aBlob('large', 200), aBlob('small', 40)]
  const source = createBlobSource({ blobs: [large, small] })
  const { bring } = await aProcess(store, { partBytes: 25, pace: longLink, concurrency: 2 })

  await Promise.all([bring(large, source), bring(small, source)])

  const turn = source.requests.findIndex(({ digest }) => digest === small.descriptor.digest)
  assert.ok(turn < 4, `the small one came after ${turn} parts`)
})
