import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import {
  type BlobStore,
  DigestMismatchError,
  type UploadEntry,
  UploadOffsetError,
  UploadUnknownError
} from '../../modules/connected-registry/src/storage/blob-store.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { inChunks, readBlob, thenFails, thenGoesOn, thenHangs } from './blob-content.ts'

/** What every blob store does with content that is arriving; part of `blobStoreContract`. */
export function uploadContract(name: string, create: (t: TestContext) => Promise<BlobStore>): void {
  describe(`${name}: uploads`, () => {
    test('the parts of an upload become one blob', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('parts', 3_000_000)
      const id = await store.beginUpload()

      for (const [from, to] of [
        [0, 1],
        [1, 1],
        [1, 1_500_000],
        [1_500_000, 3_000_000]
      ] as const) {
        assert.equal(await store.append(id, inChunks(bytes.subarray(from, to), 50_000), { at: from }), to)
        assert.deepEqual(await store.uploadState(id), { size: to, end: to, missing: [] })
      }
      await store.commit(id, digestOf(bytes))

      assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
    })

    test('a sequential append elsewhere than at the end is refused with the size', async (t) => {
      const store = await create(t)
      const id = await store.beginUpload()
      await store.append(id, inChunks(randomBytes('x', 10), 10), { at: 0 })

      for (const at of [0, 9, 11, -1]) {
        const refused = store.append(id, inChunks(randomBytes('y', 5), 5), { at })
        await assert.rejects(refused, (error) => error instanceof UploadOffsetError && error.size === 10)
      }

      assert.deepEqual(await store.uploadState(id), { size: 10, end: 10, missing: [] })
    })

    test('what came before the source failed stays, and the upload goes on from there', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('fails', 2_000_000)
      const id = await store.beginUpload()
      const cut = new Error('the link is cut')

      await assert.rejects(store.append(id, thenFails(bytes.subarray(0, 1_200_000), cut), { at: 0 }), cut)
      const state = await store.uploadState(id)
      await store.append(id, inChunks(bytes.subarray(1_200_000), 70_000), { at: 1_200_000 })
      await store.commit(id, digestOf(bytes))

      assert.deepEqual(state, { size: 1_200_000, end: 1_200_000, missing: [] })
      assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
    })

    test('an abort ends an append whose source hangs, and keeps what came', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('hangs', 5000)
      const id = await store.beginUpload()
      const hanging = thenHangs(bytes.subarray(0, 3000))
      const abort = new AbortController()

      const append = store.append(id, hanging.content, { at: 0, signal: abort.signal })
      await hanging.reached
      abort.abort(new Error('the window is over'))

      await assert.rejects(append, /the window is over/)
      assert.deepEqual(await store.uploadState(id), { size: 3000, end: 3000, missing: [] })
      await store.append(id, inChunks(bytes.subarray(3000), 500), { at: 3000 })
      await store.commit(id, digestOf(bytes))
      assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
    })

    test('of sequential appends at the same time only one is taken', async (t) => {
      const store = await create(t)
      const contents = ['a', 'b', 'c'].map((seed) => randomBytes(seed, 1_300_000))
      const id = await store.beginUpload()

      const appends = await Promise.allSettled(
        contents.map((bytes) => store.append(id, inChunks(bytes, 10_000), { at: 0 }))
      )

      const taken = appends.findIndex(({ status }) => status === 'fulfilled')
      const refused = appends.filter(({ status }) => status === 'rejected')
      assert.equal(refused.length, 2)
      assert.ok(refused.every((result) => result.status === 'rejected' && result.reason instanceof UploadOffsetError))
      assert.deepEqual(await store.commit(id, digestOf(contents[taken]!)), {
        digest: digestOf(contents[taken]!),
        size: 1_300_000
      })
    })

    test('an append that waits for another one ends with its signal', async (t) => {
      const store = await create(t)
      const id = await store.beginUpload()
      const hanging = thenHangs(randomBytes('first', 100))
      const abort = new AbortController()
      const first = store.append(id, hanging.content, { at: 0, signal: abort.signal })
      await hanging.reached

      const second = store.append(id, inChunks(randomBytes('second', 10), 10), { at: 0, signal: AbortSignal.abort() })

      await assert.rejects(second, { name: 'AbortError' })
      abort.abort()
      await assert.rejects(first, { name: 'AbortError' })
      assert.deepEqual(await store.uploadState(id), { size: 100, end: 100, missing: [] })
    })

    test('cancel interrupts an append and forgets the upload', async (t) => {
      const store = await create(t)
      const id = await store.beginUpload()
      const hanging = thenHangs(randomBytes('cancelled', 100))
      const append = assert.rejects(store.append(id, hanging.content, { at: 0 }), UploadUnknownError)
      await hanging.reached

      const cancelled = await store.cancel(id)

      await append
      assert.equal(cancelled, true)
      assert.equal(await store.uploadState(id), undefined)
      assert.equal(await store.cancel(id), false)
      await assert.rejects(store.append(id, inChunks(randomBytes('x', 1), 1), { at: 0 }), UploadUnknownError)
    })

    test('an id that was never given out is unknown', async (t) => {
      const store = await create(t)
      const known = await store.beginUpload()

      for (const id of ['', '.', '..', `../uploads/${known}`, `${known}/`, `${known}\0`, `${known}a`]) {
        assert.equal(await store.uploadState(id), undefined, id)
        assert.equal(await store.cancel(id), false, id)
        await assert.rejects(store.append(id, inChunks(randomBytes('x', 1), 1), { at: 0 }), UploadUnknownError)
        await assert.rejects(store.commit(id, digestOf(new Uint8Array())), UploadUnknownError)
      }
      assert.deepEqual(await store.uploadState(known), { size: 0, end: 0, missing: [] })
    })

    test('listUploads names each upload that is not over, with the bytes it holds', async (t) => {
      const store = await create(t)
      const [begun, filled, holed, cancelled, committed] = await Promise.all(
        Array.from({ length: 5 }, () => store.beginUpload())
      )
      await store.append(filled!, inChunks(randomBytes('listed', 3000), 1000), { at: 0 })
      await store.append(holed!, inChunks(randomBytes('listed', 10), 10), { at: 100, sparse: true })
      await store.cancel(cancelled!)
      await store.commit(committed!, digestOf(new Uint8Array()))

      const listed = await listUploads(store)

      const sizes = new Map(listed.map(({ id, size }) => [id, size]))
      assert.deepEqual(
        sizes,
        new Map([
          [begun, 0],
          [filled, 3000],
          [holed, 0]
        ])
      )
      assert.equal(listed.length, 3)
    })

    test('listUploads says when bytes last came', async (t) => {
      const store = await create(t)
      const hourAgo = Date.now() - 3_600_000
      const id = await store.beginUpload()
      const [begun] = await listUploads(store)

      await store.append(id, inChunks(randomBytes('late', 10), 10), { at: 0 })

      const [written] = await listUploads(store)
      assert.ok(begun && written && begun.writtenAt.getTime() > hourAgo)
      assert.ok(written.writtenAt >= begun.writtenAt)
    })

    test('sparse appends in any order, in parallel or not, give exact content and know what is missing', async (t) => {
      const store = await create(t)
      const size = 400
      const bytes = randomBytes('sparse', size)
      const range = fc.tuple(fc.nat(size - 1), fc.integer({ min: 1, max: 120 }))
      const plan = fc.record({ ranges: fc.array(range, { maxLength: 12 }), parallel: fc.boolean() })

      await fc.assert(
        fc.asyncProperty(plan, async ({ ranges, parallel }) => {
          const id = await store.beginUpload()
          const here = new Uint8Array(size)
          const appends = ranges.map(([at, length]) => () => {
            const part = bytes.subarray(at, at + length)
            here.fill(1, at, at + part.length)
            return store.append(id, inChunks(part, 33), { at, sparse: true })
          })

          if (parallel) await Promise.all(appends.map((append) => append()))
          else for (const append of appends) await append()

          const state = await store.uploadState(id)
          assert.deepEqual(state, stateOfBitmap(here))
          const end = here.lastIndexOf(1) + 1
          for (const { first, last } of [...state!.missing, ...(end < size ? [{ first: end, last: size - 1 }] : [])]) {
            await store.append(id, inChunks(bytes.subarray(first, last + 1), 50), { at: first, sparse: true })
          }
          assert.deepEqual(await store.uploadState(id), { size, end: size, missing: [] })
          await store.commit(id, digestOf(bytes))
          assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
        }),
        { numRuns: 40 }
      )
    })

    test('bytes that were written over count as they are now, not as they were hashed on arrival', async (t) => {
      const store = await create(t)
      const [first, second] = [randomBytes('before', 1000), randomBytes('after', 1000)]
      const id = await store.beginUpload()
      await store.append(id, inChunks(first, 100), { at: 0 })

      await store.append(id, inChunks(second, 100), { at: 0, sparse: true })

      await assert.rejects(store.commit(id, digestOf(first)), DigestMismatchError)
    })

    test('a sequential append fills the first hole of a sparse upload', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('hole', 300)
      const id = await store.beginUpload()
      await store.append(id, inChunks(bytes.subarray(200), 30), { at: 200, sparse: true })

      await store.append(id, inChunks(bytes.subarray(0, 200), 30), { at: 0 })

      assert.deepEqual(await store.uploadState(id), { size: 300, end: 300, missing: [] })
      await store.commit(id, digestOf(bytes))
      assert.ok((await readBlob(store, digestOf(bytes)))?.equals(bytes))
    })

    test('a commit waits for the appends under way', async (t) => {
      const store = await create(t)
      const bytes = randomBytes('under way', 200)
      const id = await store.beginUpload()
      const held = thenGoesOn(bytes.subarray(0, 100), bytes.subarray(100))
      const append = store.append(id, held.content, { at: 0, sparse: true })
      await held.reached

      const commit = store.commit(id, digestOf(bytes))
      held.goOn()

      assert.equal(await append, 200)
      assert.deepEqual(await commit, { digest: digestOf(bytes), size: 200 })
    })

    test('a sparse append that was aborted keeps what came', async (t) => {
      const store = await create(t)
      const id = await store.beginUpload()
      const hanging = thenHangs(randomBytes('sparse', 50))
      const abort = new AbortController()
      const append = store.append(id, hanging.content, { at: 100, sparse: true, signal: abort.signal })
      await hanging.reached

      abort.abort()

      await assert.rejects(append, { name: 'AbortError' })
      assert.deepEqual(await store.uploadState(id), { size: 0, end: 150, missing: [{ first: 0, last: 99 }] })
    })
  })
}

async function listUploads(store: BlobStore): Promise<readonly UploadEntry[]> {
  const uploads: UploadEntry[] = []
  for await (const upload of store.listUploads()) uploads.push(upload)
  return uploads
}

function stateOfBitmap(here: Uint8Array) {
  const end = here.lastIndexOf(1) + 1
  const missing: { first: number; last: number }[] = []
  for (let at = 0; at < end; at++) {
    if (here[at]) continue
    const hole = missing.at(-1)
    if (hole && hole.last === at - 1) hole.last = at
    else missing.push({ first: at, last: at })
  }
  return { size: missing[0]?.first ?? end, end, missing }
}
