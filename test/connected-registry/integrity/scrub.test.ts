import assert from 'node:assert/strict'
import { readFile, truncate } from 'node:fs/promises'
import { test } from 'node:test'
import { fsck } from '../../../modules/connected-registry/src/integrity/fsck.ts'
import { type ScrubDeps, scrub } from '../../../modules/connected-registry/src/integrity/scrub.ts'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { quarantinePath } from '../../../modules/connected-registry/src/storage/content-scan.ts'
import { blobPath, keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { putBlob } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { aStoredImage, flipByte } from './damaged-store.ts'

const never = new AbortController().signal
const unhurried = { bytesPerSecond: Number.POSITIVE_INFINITY, now: () => 0, pause: async () => {} }

test("a byte that flipped on the disk is found, and its blob is nobody's until it comes anew", async (t) => {
  const { paths, blobs, image, dataVolume, inStore } = await aStoredImage(t)
  const damaged = blobs[1]!
  await flipByte(paths, damaged)

  const report = await inStore((store) => scrub({ ...store, pace: unhurried }, never))

  assert.deepEqual(report.damage, [{ digest: damaged, kind: 'QUARANTINED', reason: 'it does not match its digest' }])
  assert.equal(report.blobs, blobs.length)
  assert.notEqual(digestOf(await readFile(quarantinePath(paths.quarantine, damaged))), damaged)
  await inStore(async (store) => {
    const registry = await createRegistry(store)
    assert.equal(await registry.blobs.stat('app', damaged), undefined)
    assert.equal(await registry.blobs.open('app', damaged), undefined)
    assert.ok(await registry.blobs.stat('app', blobs[0]!))
  })
  assert.deepEqual(
    (await fsck(dataVolume)).problems.map(({ kind }) => kind),
    ['QUARANTINED']
  )

  await inStore(async (store) => {
    await putBlob(store.blobs, image.blobs.get(damaged)!)
    assert.ok(await (await createRegistry(store)).blobs.stat('app', damaged))
  })

  assert.deepEqual((await fsck(dataVolume, { content: true })).problems, [])
})

test('a blob that lost its end is set aside too', async (t) => {
  const { paths, blobs, inStore } = await aStoredImage(t)
  await truncate(blobPath(paths.blobs, blobs[0]!), 10)

  const { damage } = await inStore((store) => scrub({ ...store, pace: unhurried }, never))

  assert.deepEqual(
    damage.map(({ digest }) => digest),
    [blobs[0]]
  )
})

test('a manifest whose record changed is reported and stays', async (t) => {
  const { image, inStore } = await aStoredImage(t)
  const { digest } = image.manifest.descriptor
  const other = new TextEncoder().encode('{}')

  const { damage, manifests } = await inStore(async (store) => {
    await store.records.commit({ put: [[keys.manifest(digest), other]] })
    return scrub({ ...store, pace: unhurried }, never)
  })

  assert.equal(manifests, 1)
  assert.deepEqual(damage, [{ digest, kind: 'MANIFEST', reason: 'it does not match its digest' }])
})

test('a run that is cut goes on behind the last blob it read to the end', async () => {
  const { deps, digests } = await someBlobs(6)
  const stop = new AbortController()
  let seen = 0
  const stopping = { ...deps.pace, bytesPerSecond: 1, pause: async () => void (++seen === 3 && stop.abort()) }

  await assert.rejects(scrub({ ...deps, pace: stopping }, stop.signal), { name: 'AbortError' })
  const report = await scrub(deps, never)

  assert.deepEqual([report.resumedAfter, report.blobs], [digests[2], 3])
  assert.equal((await scrub(deps, never)).blobs, 6)
})

test('no more bytes are read in a second than were allowed', async () => {
  const { deps } = await someBlobs(10)
  let clock = 0
  const pause = async (milliseconds: number) => {
    clock += milliseconds
  }

  const { bytes } = await scrub({ ...deps, pace: { bytesPerSecond: 5000, now: () => clock, pause } }, never)

  assert.equal(bytes, 10_000)
  assert.equal(Math.round(clock), 2000)
})

/** Blobs of 1,000 bytes. */
async function someBlobs(count: number): Promise<{ deps: ScrubDeps; digests: readonly Digest[] }> {
  const blobs = createMemoryBlobStore()
  const contents = Array.from({ length: count }, (_, index) => randomBytes(`scrubbed ${index}`, 1000))
  const digests = await Promise.all(contents.map((bytes) => putBlob(blobs, bytes)))
  return { deps: { blobs, records: createMemoryRecordStore(), pace: unhurried }, digests: digests.sort() }
}
