import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { inChunks } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { counted } from '../storage/counted.ts'
import { media, openRegistry } from './open-registry.ts'
import { begin, recordsOf, refusal } from './upload-names.ts'

const hourMs = 3_600_000

// CVE-2026-32589: an id that was seen or guessed must be worth nothing.
test('to another identity, and in another repository, a session does not exist', async (t) => {
  const { registry } = await openRegistry(t)
  const { uploads } = registry
  const bytes = randomBytes('mine', 1000)
  const name = await begin(uploads)
  await uploads.append(name, inChunks(bytes, 100))
  const others = [
    { ...name, identity: 'Writer' },
    { ...name, identity: '' },
    { ...name, repository: 'app2' },
    { ...name, repository: 'app/web' },
    { ...name, id: name.id.toUpperCase() },
    { ...name, id: `${name.id}/` },
    { ...name, id: '../uploads' },
    { ...name, id: '' }
  ]

  for (const other of others) {
    await assert.rejects(uploads.size(other), refusal('BLOB_UPLOAD_UNKNOWN'))
    await assert.rejects(uploads.append(other, inChunks(bytes, 100)), refusal('BLOB_UPLOAD_UNKNOWN'))
    await assert.rejects(uploads.finish(other, digestOf(bytes)), refusal('BLOB_UPLOAD_UNKNOWN'))
    await assert.rejects(uploads.cancel(other), refusal('BLOB_UPLOAD_UNKNOWN'))
  }

  assert.equal(await uploads.size(name), 1000)
})

test('of a thousand and a few sessions begun at once by one identity a thousand are open, and others find room', async (t) => {
  const { registry, blobs, records } = await openRegistry(t)
  const { uploads } = registry

  const begun = await Promise.allSettled(Array.from({ length: 1010 }, () => begin(uploads)))

  const open = begun.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  assert.equal(open.length, 1000)
  for (const result of begun) if (result.status === 'rejected') assert.ok(refusal('TOOMANYREQUESTS')(result.reason))
  await begin(uploads, 'app', 'another')
  const restarted = await createRegistry({ blobs, records })
  await assert.rejects(begin(restarted.uploads), refusal('TOOMANYREQUESTS'))
  await uploads.cancel(open[0]!)
  await uploads.finish(open[1]!, digestOf(new Uint8Array()))
  await assert.rejects(uploads.finish(open[2]!, digestOf(Buffer.from('x'))))
  for (let room = 0; room < 3; room++) await begin(uploads)
  await assert.rejects(begin(uploads), refusal('TOOMANYREQUESTS'))
})

test('a place is free again where a session could not be begun', async (t) => {
  const blobs = createMemoryBlobStore()
  let isBroken = true
  const failing: BlobStore = {
    ...blobs,
    beginUpload: () => (isBroken ? Promise.reject(new Error('no')) : blobs.beginUpload())
  }
  t.after(() => blobs.close())
  const { uploads } = await createRegistry({ blobs: failing, records: createMemoryRecordStore() })
  for (let turn = 0; turn < 1000; turn++) await assert.rejects(begin(uploads), /no/)

  isBroken = false

  assert.equal(await uploads.size(await begin(uploads)), 0)
})

test('the records get ready for the end of an upload before its content is put in its place', async () => {
  const calls: string[] = []
  const note = (name: string) => void calls.push(name)
  const blobs = counted(createMemoryBlobStore(), note, 'blobs: ')
  const records = counted(createMemoryRecordStore(), note, 'records: ')
  const { uploads } = await createRegistry({ blobs, records })
  const bytes = randomBytes('late', 10)
  const name = await begin(uploads)
  await uploads.append(name, inChunks(bytes, 10))
  calls.length = 0

  await uploads.finish(name, digestOf(bytes))

  const inOrder = calls.filter((call) => ['records: wake', 'blobs: commit', 'records: commit'].includes(call))
  assert.deepEqual(inOrder, ['records: wake', 'blobs: commit', 'records: commit'])
})

test('what nobody goes on with for a day is gone: sessions, leftovers without one, sessions without bytes', async (t) => {
  const { registry, blobs, records } = await openRegistry(t)
  const { uploads } = registry
  const name = await begin(uploads)
  await uploads.append(name, inChunks(randomBytes('x', 10), 10))
  const leftover = await blobs.beginUpload()
  const lost = await begin(uploads)
  await blobs.cancel(lost.id)

  const early = await uploads.expire(new Date(Date.now() + 23 * hourMs))

  assert.equal(early, 0)
  assert.equal(await uploads.size(name), 10)
  assert.equal(await recordsOf(records), 1)
  const expired = await uploads.expire(new Date(Date.now() + 25 * hourMs))
  assert.equal(expired, 2)
  await assert.rejects(uploads.size(name), refusal('BLOB_UPLOAD_UNKNOWN'))
  assert.equal(await blobs.uploadState(leftover), undefined)
  assert.equal(await recordsOf(records), 0)
})

test('the list says whose each session is and what it holds', async (t) => {
  const { registry, blobs } = await openRegistry(t, { now: () => new Date('2026-03-04T05:06:07Z') })
  const name = await begin(registry.uploads)
  await registry.uploads.append(name, inChunks(randomBytes('x', 77), 10))
  await blobs.beginUpload()

  const [open, ...others] = await registry.uploads.list()

  assert.deepEqual(others, [])
  assert.ok(open?.writtenAt instanceof Date)
  assert.deepEqual(
    { ...open, writtenAt: undefined },
    { ...name, size: 77, startedAt: '2026-03-04T05:06:07.000Z', writtenAt: undefined }
  )
})

test('an upload that fills the disk frees it again', async (t) => {
  const blobs = createMemoryBlobStore()
  t.after(() => blobs.close())
  const full: BlobStore = {
    ...blobs,
    append: async (id, content, options) => {
      await blobs.append(id, content, options)
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
  }
  const records = createMemoryRecordStore()
  const { uploads } = await createRegistry({ blobs: full, records })
  const name = await begin(uploads)

  await assert.rejects(uploads.append(name, inChunks(randomBytes('x', 10), 10)), { code: 'ENOSPC' })

  assert.equal(await blobs.uploadState(name.id), undefined)
  assert.equal(await recordsOf(records), 0)
  await assert.rejects(uploads.size(name), refusal('BLOB_UPLOAD_UNKNOWN'))
})

for (const medium of media) {
  test(`uploads without a session end as orphans, whatever their age, and sessions go on (${medium})`, async (t) => {
    const { registry, blobs, records } = await openRegistry(t, { medium })
    const name = await begin(registry.uploads)
    await registry.uploads.append(name, inChunks(randomBytes('kept', 3000), 1000))
    const orphan = await blobs.beginUpload()
    await blobs.append(orphan, inChunks(randomBytes('orphan', 5000), 1000), { at: 0 })
    const { uploads } = await createRegistry({ blobs, records })

    const dropped = await uploads.dropOrphans()

    assert.equal(dropped, 1)
    assert.equal(await blobs.uploadState(orphan), undefined)
    assert.equal(await uploads.size(name), 3000)
  })
}
