import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { Batch } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { inChunks, listBlobs, readBlob, thenFails, thenHangs } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { media, openRegistry } from './open-registry.ts'
import { begin, recordsOf, refusal } from './upload-names.ts'

for (const medium of media) {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`what is pushed in parts is in the repository once it is whole (${medium}, ${algorithm})`, async (t) => {
      const { registry, blobs, records } = await openRegistry(t, { medium })
      const bytes = randomBytes('parts', 2_500_000)
      const digest = digestOf(bytes, algorithm)
      const name = await begin(registry.uploads)

      assert.equal(await registry.uploads.append(name, inChunks(bytes.subarray(0, 1_500_000), 60_000)), 1_500_000)
      assert.equal(await registry.uploads.size(name), 1_500_000)
      assert.equal(await registry.blobs.stat('app', digest), undefined)
      await registry.uploads.append(name, inChunks(bytes.subarray(1_500_000), 60_000), { at: 1_500_000 })
      const finished = await registry.uploads.finish(name, digest)

      assert.deepEqual(finished, { digest, size: bytes.length })
      assert.deepEqual(await registry.blobs.stat('app', digest), { size: bytes.length })
      assert.ok((await readBlob(blobs, digest))?.equals(bytes))
      await assert.rejects(registry.uploads.size(name), refusal('BLOB_UPLOAD_UNKNOWN'))
      assert.equal(await recordsOf(records), 0)
    })
  }

  test(`a session goes on after a restart, with the bytes that are there (${medium})`, async (t) => {
    const { registry, blobs, records } = await openRegistry(t, { medium })
    const bytes = randomBytes('restart', 300_000)
    const name = await begin(registry.uploads)
    await registry.uploads.append(name, inChunks(bytes.subarray(0, 100_000), 9000))

    const { uploads, blobs: linked } = await createRegistry({ blobs, records })

    assert.equal(await uploads.size(name), 100_000)
    await assert.rejects(uploads.size({ ...name, identity: 'other' }), refusal('BLOB_UPLOAD_UNKNOWN'))
    await uploads.append(name, inChunks(bytes.subarray(100_000), 9000), { at: 100_000 })
    await uploads.finish(name, digestOf(bytes))
    assert.deepEqual(await linked.stat('app', digestOf(bytes)), { size: 300_000 })
  })
}

test('an empty blob needs no bytes', async (t) => {
  const { registry } = await openRegistry(t)
  const digest = digestOf(new Uint8Array())

  await registry.uploads.finish(await begin(registry.uploads), digest)

  assert.deepEqual(await registry.blobs.stat('app', digest), { size: 0 })
})

test('content with another digest ends the session and leaves nothing', async (t) => {
  const { registry, blobs, records } = await openRegistry(t, { medium: 'files' })
  const { uploads } = registry
  const expected = digestOf(randomBytes('expected', 10))
  const name = await begin(uploads)
  await uploads.append(name, inChunks(randomBytes('forged', 10), 10))

  await assert.rejects(uploads.finish(name, expected), refusal('DIGEST_INVALID'))

  await assert.rejects(uploads.finish(name, expected), refusal('BLOB_UPLOAD_UNKNOWN'))
  assert.equal(await registry.blobs.stat('app', expected), undefined)
  assert.equal(await registry.repositories.has('app'), false)
  assert.deepEqual(await listBlobs(blobs), [])
  assert.equal(await recordsOf(records), 0)
})

test('content that belongs elsewhere than at the end is refused, and the end is told', async (t) => {
  const { registry } = await openRegistry(t)
  const name = await begin(registry.uploads)
  await registry.uploads.append(name, inChunks(randomBytes('x', 50), 10))

  for (const at of [0, 49, 51, 1e15]) {
    const refused = registry.uploads.append(name, inChunks(randomBytes('y', 10), 10), { at })
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof RegistryError && error.code === 'RANGE_INVALID')
      assert.deepEqual(error.detail, { size: 50 })
      return true
    })
  }

  assert.equal(await registry.uploads.size(name), 50)
})

test('what came before the client left stays', async (t) => {
  const { registry } = await openRegistry(t, { medium: 'files' })
  const bytes = randomBytes('left', 3_000_000)
  const name = await begin(registry.uploads)
  const gone = new Error('gone')

  await assert.rejects(registry.uploads.append(name, thenFails(bytes.subarray(0, 1_234_567), gone)), gone)

  assert.equal(await registry.uploads.size(name), 1_234_567)
  await registry.uploads.append(name, inChunks(bytes.subarray(1_234_567), 50_000), { at: 1_234_567 })
  assert.deepEqual(await registry.uploads.finish(name, digestOf(bytes)), { digest: digestOf(bytes), size: 3_000_000 })
})

test('a client that comes back does not wait for the connection it has lost', async (t) => {
  const { registry } = await openRegistry(t, { medium: 'files' })
  const bytes = randomBytes('back', 2000)
  const name = await begin(registry.uploads)
  const hanging = thenHangs(bytes.subarray(0, 700))
  const lost = assert.rejects(registry.uploads.append(name, hanging.content), refusal('BLOB_UPLOAD_INVALID'))
  await hanging.reached

  const size = await registry.uploads.append(name, inChunks(bytes.subarray(700), 100), { at: 700 })

  await lost
  assert.equal(size, 2000)
  await registry.uploads.finish(name, digestOf(bytes))
})

test('a session that is finished twice at once is finished once', async (t) => {
  const { registry } = await openRegistry(t, { medium: 'files' })
  const bytes = randomBytes('twice', 2_000_000)
  const name = await begin(registry.uploads)
  await registry.uploads.append(name, inChunks(bytes, 64_000))

  const results = await Promise.allSettled([
    registry.uploads.finish(name, digestOf(bytes)),
    registry.uploads.finish(name, digestOf(bytes))
  ])

  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  assert.deepEqual(await registry.blobs.stat('app', digestOf(bytes)), { size: bytes.length })
})

test('the content is stored before the batch that names it, and the session ends in that batch', async (t) => {
  const bytes = randomBytes('order', 100)
  const link = keys.link('app', digestOf(bytes))
  const seen: { stored: boolean; removed: readonly string[] }[] = []
  const open = await openRegistry(t, {
    beforeCommit: async (batch: Batch) => {
      if (!batch.put?.some(([key]) => key === link)) return
      seen.push({ stored: (await open.blobs.stat(digestOf(bytes))) !== undefined, removed: batch.remove ?? [] })
    }
  })
  const name = await begin(open.registry.uploads)
  await open.registry.uploads.append(name, inChunks(bytes, 10))

  await open.registry.uploads.finish(name, digestOf(bytes))

  assert.equal(seen.length, 1)
  assert.equal(seen[0]?.stored, true)
  assert.ok(seen[0]?.removed.includes(keys.upload(name.id)))
})

test('a cancelled session is gone with its bytes', async (t) => {
  const { registry, blobs, records } = await openRegistry(t)
  const name = await begin(registry.uploads)
  await registry.uploads.append(name, inChunks(randomBytes('x', 10), 10))

  await registry.uploads.cancel(name)

  await assert.rejects(registry.uploads.cancel(name), refusal('BLOB_UPLOAD_UNKNOWN'))
  assert.equal(await blobs.uploadState(name.id), undefined)
  assert.equal(await recordsOf(records), 0)
})

test('a name that is none begins nothing', async (t) => {
  const { registry, records } = await openRegistry(t)

  for (const repository of ['', 'App', '../app', 'app:', 'a'.repeat(256)]) {
    await assert.rejects(registry.uploads.begin(repository, 'writer'), refusal('NAME_INVALID'))
  }

  assert.equal(await recordsOf(records), 0)
})

test('whatever is appended, refused, cut and restarted: the blob is what was taken, in its order', async (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), size: fc.nat(50), shift: fc.constantFrom(0, 0, 0, -1, 1, 100) }),
    fc.record({ kind: fc.constant('cut' as const), size: fc.nat(50) }),
    fc.record({ kind: fc.constant('restart' as const) })
  )

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const { registry, blobs, records } = await openRegistry(t)
      let { uploads } = registry
      const name = await begin(uploads)
      let taken: Uint8Array = new Uint8Array()
      for (const [index, one] of steps.entries()) {
        if (one.kind === 'restart') {
          uploads = (await createRegistry({ blobs, records })).uploads
          continue
        }
        const bytes = randomBytes(`step ${index}`, one.size)
        const cut = new Error('cut')
        const at = taken.length + (one.kind === 'append' ? one.shift : 0)
        const content = one.kind === 'cut' ? thenFails(bytes, cut) : inChunks(bytes, 7)
        const result = await uploads.append(name, content, { at }).catch((error: unknown) => error)
        if (at !== taken.length) assert.ok(refusal('RANGE_INVALID')(result))
        else taken = Buffer.concat([taken, bytes])
        assert.equal(await uploads.size(name), taken.length)
      }

      const finished = await uploads.finish(name, digestOf(taken))

      assert.equal(finished.size, taken.length)
    }),
    { numRuns: 60 }
  )
})
