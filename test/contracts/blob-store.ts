import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import {
  type BlobStore,
  DigestMismatchError,
  type UploadEntry,
  UploadUnknownError
} from '../../modules/connected-registry/src/storage/blob-store.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { inChunks, listBlobs, putBlob, readBlob, thenHangs } from './blob-content.ts'
import { uploadContract } from './uploads.ts'

/** What every blob store does. `create` closes what it opens when the test is over. */
export function blobStoreContract(name: string, create: (t: TestContext) => Promise<BlobStore>): void {
  describe(`${name}: blobs`, () => {
    for (const [size, chunkSize] of [
      [0, 1],
      [1, 1],
      [70_000, 1_000],
      [1024 * 1024, 64 * 1024],
      [3_500_000, 65_536],
      [3_500_000, 3_500_000]
    ] as const) {
      test(`${size} bytes in chunks of ${chunkSize} come back as they went in`, async (t) => {
        const store = await create(t)
        const bytes = randomBytes(`content ${size}`, size)
        const id = await store.beginUpload()

        const next = await store.append(id, inChunks(bytes, chunkSize), { at: 0 })
        const committed = await store.commit(id, digestOf(bytes))

        assert.equal(next, size)
        assert.deepEqual(committed, { digest: digestOf(bytes), size })
        assert.deepEqual(await store.stat(digestOf(bytes)), { size })
        assert.ok((await readBlob(store, digestOf(bytes), { bufferSize: 300_000 }))?.equals(bytes))
      })
    }

    test('a blob is not visible before its commit, and its upload is over after it', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('hidden', 1000)
      const id = await store.beginUpload()

      await store.append(id, inChunks(bytes, 100), { at: 0 })

      assert.equal(await store.stat(digestOf(bytes)), undefined)
      assert.equal(await store.open(digestOf(bytes)), undefined)
      assert.deepEqual(await listBlobs(store), [])
      await store.commit(id, digestOf(bytes))
      assert.equal(await store.uploadState(id), undefined)
      await assert.rejects(store.commit(id, digestOf(bytes)), UploadUnknownError)
    })

    test('content that differs from its digest in one bit is refused and leaves nothing', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('flip', 300)
      const oneBit = fc.record({ at: fc.nat(299), bit: fc.nat(7), algorithm: fc.constantFrom('sha256', 'sha512') })

      await fc.assert(
        fc.asyncProperty(oneBit, async ({ at, bit, algorithm }) => {
          const flipped = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ (1 << bit) : byte))
          const id = await store.beginUpload()
          await store.append(id, inChunks(flipped, 64), { at: 0 })

          await assert.rejects(store.commit(id, digestOf(bytes, algorithm)), DigestMismatchError)

          assert.equal(await store.uploadState(id), undefined)
          assert.equal(await store.stat(digestOf(bytes, algorithm)), undefined)
          assert.deepEqual(await listBlobs(store), [])
        }),
        { numRuns: 20 }
      )
    })

    test("content in quarantine is nobody's until it comes anew", async (t) => {
      const store = await create(t)
      const [bytes, other] = [randomBytes('set aside', 1000), randomBytes('another', 1000)]
      await putBlob(store, bytes)
      await putBlob(store, other)
      const digest = digestOf(bytes)

      assert.equal(await store.quarantine(digest), true)

      assert.deepEqual(
        [await store.stat(digest), await store.open(digest), store.quarantined.has(digest)],
        [undefined, undefined, true]
      )
      assert.deepEqual(await listBlobs(store), [digestOf(other)])
      assert.equal(await store.quarantine(digest), false)
      await putBlob(store, bytes)
      assert.equal(store.quarantined.has(digest), false)
      assert.ok((await readBlob(store, digest))?.equals(bytes))
    })

    test('a SHA-512 digest is verified too', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('long digest', 2_000_000)
      const digest = digestOf(bytes, 'sha512')

      await putBlob(store, bytes, digest)

      assert.ok((await readBlob(store, digest))?.equals(bytes))
      assert.deepEqual(await listBlobs(store), [digest])
    })

    test('a blob that is here already can be committed again', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('twice', 5000)
      await putBlob(store, bytes)

      const digest = await putBlob(store, bytes)

      assert.ok((await readBlob(store, digest))?.equals(bytes))
    })

    test('commits of one digest at the same time all succeed', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('at once', 200_000)

      const digests = await Promise.all(Array.from({ length: 5 }, () => putBlob(store, bytes)))

      assert.deepEqual(await listBlobs(store), [digests[0]])
      assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
    })

    test('list names every blob once', async (t) => {
      const store = await create(t)
      const digests = await Promise.all(
        Array.from({ length: 20 }, (_, index) => putBlob(store, randomBytes(`listed ${index}`, index)))
      )

      const listed = await listBlobs(store)

      assert.deepEqual(listed.toSorted(), digests.toSorted())
    })

    test('a removed blob is gone, but an open reader goes on to the end', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('removed', 10_000)
      const digest = await putBlob(store, bytes)
      const reader = await store.open(digest)
      const [begin, rest] = [new Uint8Array(1000), new Uint8Array(10_000)]
      await reader?.read(begin)

      const removed = await store.remove(digest)

      assert.equal(removed, true)
      assert.equal(reader?.size, 10_000)
      assert.equal(await reader?.read(rest), 9000)
      assert.ok(Buffer.concat([begin, rest.subarray(0, 9000)]).equals(bytes))
      assert.equal(await store.stat(digest), undefined)
      assert.equal(await store.open(digest), undefined)
      assert.equal(await store.remove(digest), false)
    })

    test('a range gives exactly its bytes, whatever the buffer', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('ranges', 500)
      const digest = await putBlob(store, bytes)
      const range = fc.tuple(fc.nat(499), fc.nat(499)).map(([one, other]) => ({
        first: Math.min(one, other),
        last: Math.max(one, other)
      }))

      await fc.assert(
        fc.asyncProperty(range, fc.integer({ min: 1, max: 600 }), async (range, bufferSize) => {
          const part = await readBlob(store, digest, { range, bufferSize })

          assert.ok(part?.equals(bytes.subarray(range.first, range.last + 1)))
        }),
        { numRuns: 30 }
      )
    })

    test('a reader knows the size of the whole blob', async (t) => {
      const store = await create(t)
      const digest = await putBlob(store, randomBytes('size', 500))

      const reader = await store.open(digest, { first: 100, last: 199 })

      await reader?.close()
      assert.equal(reader?.size, 500)
    })

    test('a range that is not inside the blob is a RangeError', async (t) => {
      const store = await create(t)
      const digest = await putBlob(store, randomBytes('outside', 10))
      const empty = await putBlob(store, new Uint8Array())

      for (const [first, last] of [
        [0, 10],
        [10, 10],
        [-1, 3],
        [5, 4],
        [0.5, 3],
        [0, Number.NaN]
      ] as const) {
        await assert.rejects(store.open(digest, { first, last }), RangeError, `${first}-${last}`)
      }
      await assert.rejects(store.open(empty, { first: 0, last: 0 }), RangeError)
    })

    test('a reader that was closed early does not pass for one at its end', async (t) => {
      const store = await create(t)
      const digest = await putBlob(store, randomBytes('early', 100))
      const reader = await store.open(digest)
      await reader?.read(new Uint8Array(10))

      await reader?.close()
      await reader?.close()

      await assert.rejects(async () => reader?.read(new Uint8Array(10)), /closed/)
    })
  })

  uploadContract(name, create)
}

/** What a persistent medium keeps over a restart. `create` gives the store and a way to open it again. */
export function persistentBlobStoreContract(
  name: string,
  create: (t: TestContext) => Promise<{ store: BlobStore; reopen: () => Promise<BlobStore> }>
): void {
  describe(`${name}: restart`, () => {
    test('blobs are still here', async (t) => {
      const { store, reopen } = await create(t)
      const digest = await putBlob(store, randomBytes('kept', 100_000))

      const reopened = await reopen()

      assert.ok((await readBlob(reopened, digest))?.equals(randomBytes('kept', 100_000)))
      assert.deepEqual(await listBlobs(reopened), [digest])
    })

    test('an upload goes on where it was, and is verified as a whole', async (t) => {
      const { store, reopen } = await create(t)
      const bytes = randomBytes('resumed', 2_500_000)
      const id = await store.beginUpload()
      await store.append(id, inChunks(bytes.subarray(0, 1_600_000), 60_000), { at: 0 })

      const reopened = await reopen()

      assert.deepEqual(await reopened.uploadState(id), { size: 1_600_000, end: 1_600_000, missing: [] })
      await reopened.append(id, inChunks(bytes.subarray(1_600_000), 60_000), { at: 1_600_000 })
      await reopened.commit(id, digestOf(bytes))
      assert.ok((await readBlob(reopened, digestOf(bytes)))?.equals(bytes))
    })

    test('an upload is listed with what it holds', async (t) => {
      const { store, reopen } = await create(t)
      const id = await store.beginUpload()
      await store.append(id, inChunks(randomBytes('listed', 5000), 500), { at: 0 })

      const reopened = await reopen()

      const listed: UploadEntry[] = []
      for await (const upload of reopened.listUploads()) listed.push(upload)
      assert.deepEqual(
        listed.map(({ id, size }) => ({ id, size })),
        [{ id, size: 5000 }]
      )
    })

    test('an append under way ends with the store, and what came counts', async (t) => {
      const { store, reopen } = await create(t)
      const id = await store.beginUpload()
      const hanging = thenHangs(randomBytes('closing', 700))
      const append = assert.rejects(store.append(id, hanging.content, { at: 0 }), { code: 'STORE_CLOSED' })
      await hanging.reached

      const reopened = await reopen()

      await append
      assert.deepEqual(await reopened.uploadState(id), { size: 700, end: 700, missing: [] })
    })

    test('the holes of a sparse upload are still known', async (t) => {
      const { store, reopen } = await create(t)
      const bytes = randomBytes('holes', 1000)
      const id = await store.beginUpload()
      await store.append(id, inChunks(bytes.subarray(0, 100), 60), { at: 0 })
      await store.append(id, inChunks(bytes.subarray(600, 800), 60), { at: 600, sparse: true })
      await store.append(id, inChunks(bytes.subarray(200, 300), 60), { at: 200, sparse: true })

      const reopened = await reopen()

      assert.deepEqual(await reopened.uploadState(id), {
        size: 100,
        end: 800,
        missing: [
          { first: 100, last: 199 },
          { first: 300, last: 599 }
        ]
      })
    })
  })
}
