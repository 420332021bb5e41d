import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, anIndex, aReferrer, blobsOf } from '../../fixtures/image-builder.ts'
import { type GarbageSite, nothing, openSite } from './garbage-site.ts'
import { media, pushBlobs } from './open-registry.ts'

for (const medium of media) {
  test(`a deleted image goes when its grace has passed, and not before (${medium})`, async (t) => {
    const site = await openSite(t, { medium })
    const image = anImage({ layers: 2 })
    await site.push('app', image, 'v1')
    await site.remove('app', image)
    const head = site.registry.changes.head()
    site.wait(0.9)

    const early = await site.collect()
    assert.deepEqual(await site.left(image), { blobs: 3, manifests: 1 })
    site.wait(0.2)
    const late = await site.collect()

    const bytes = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0)
    const size = image.manifest.descriptor.size
    assert.deepEqual(early, {
      ...{ dryRun: false, reviewed: 0, manifestsRemoved: 0, linksRemoved: 0, blobsRemoved: 0 },
      ...{ bytesFreed: 0, manifestBytesRemoved: 0, orphansFound: 0, kept: {} },
      nextReviewAt: '2026-03-02T00:00:00.000Z'
    })
    assert.deepEqual(late, {
      ...{ dryRun: false, reviewed: 7, manifestsRemoved: 0, linksRemoved: 3, blobsRemoved: 3 },
      ...{ bytesFreed: bytes, manifestBytesRemoved: size, kept: {} }
    })
    assert.deepEqual(await site.left(image), nothing)
    assert.deepEqual(await site.dump(), [])
    assert.equal(site.registry.changes.head(), head)
  })

  test(`what another image of the repository names stays (${medium})`, async (t) => {
    const site = await openSite(t, { medium })
    const old = anImage({ layers: 1, cmd: ['old'] })
    const fresh = anImage({ layers: 1, cmd: ['new'] })
    await site.push('app', old, 'v1')
    await site.push('app', fresh, 'v1')
    await site.remove('app', old)
    site.wait(2)

    const report = await site.collect()

    assert.deepEqual(report.kept, { used: 1 })
    assert.equal(report.blobsRemoved, 1)
    assert.deepEqual(await site.left(fresh), { blobs: 2, manifests: 1 })
    for (const digest of fresh.blobs.keys()) assert.ok(await site.registry.blobs.stat('app', digest))
  })

  test(`what another repository links stays in the store, and leaves the one that lost it (${medium})`, async (t) => {
    const site = await openSite(t, { medium })
    const image = anImage()
    await site.push('one', image, 'v1')
    await site.push('two', image, 'v1')
    await site.remove('one', image)
    site.wait(2)

    const report = await site.collect()

    assert.equal(report.linksRemoved, 2)
    assert.deepEqual(report.kept, { linked: 3 })
    for (const digest of image.blobs.keys()) {
      assert.equal(await site.registry.blobs.stat('one', digest), undefined)
      assert.ok(await site.blobs.stat(digest))
    }
    assert.deepEqual(await site.left(image), { blobs: 2, manifests: 1 })
  })
}

test('a pushed image leaves nothing to review', async (t) => {
  const site = await openSite(t)
  const image = anImage()
  await site.push('app', anIndex([image]), 'v1')
  await site.push('app', aReferrer(image, { artifactType: 'application/vnd.example.signature' }))

  assert.deepEqual(
    (await site.dump()).filter(([key]) => key.startsWith('review:')),
    []
  )
})

test('a blob that no manifest ever named goes, and one that is linked again waits anew', async (t) => {
  const site = await openSite(t)
  const [left, again] = [anImage({ seed: 'left' }), anImage({ seed: 'again' })]
  await pushBlobs(site, 'app', left)
  await pushBlobs(site, 'app', again)
  site.wait(0.9)
  await pushBlobs(site, 'app', again)
  site.wait(0.2)

  await site.collect()
  assert.deepEqual(await site.left(left), nothing)
  assert.equal((await site.left(again)).blobs, 2)
  await site.push('app', again, 'v1')
  site.wait(9)
  await site.collect()

  assert.deepEqual(await site.left(again), { blobs: 2, manifests: 1 })
})

test('a repository that was removed leaves nothing behind', async (t) => {
  const site = await openSite(t)
  const index = anIndex([anImage({ seed: 'a' }), anImage({ seed: 'b' })])
  await site.push('app', index, 'v1')
  await site.push('app', aReferrer(index, { artifactType: 'application/vnd.example.signature' }))
  await pushBlobs(site, 'app', anImage({ seed: 'unnamed' }))

  await site.registry.repositories.remove('app', 'parent')
  site.wait(1)
  await site.collect()

  assert.deepEqual(await site.dump(), [])
  for await (const digest of site.blobs.list()) assert.fail(`${digest} is left`)
})

test('blobs that a crash left without any record are found, and go when their grace has passed', async (t) => {
  const site = await openSite(t)
  const image = anImage()
  const orphans = [...blobsOf(image).values()]
  for (const bytes of orphans) await store(site, bytes)

  const first = await site.collect()
  site.wait(1)
  const second = await site.collect()

  assert.equal(first.orphansFound, 2)
  assert.deepEqual([first.blobsRemoved, second.blobsRemoved], [0, 2])
  assert.equal(second.orphansFound, undefined)
  assert.deepEqual(await site.left(image), nothing)
})

test('a dry run says what a run would do, and does nothing', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 0 }
  const [gone, untagged, shared] = [
    anImage({ seed: 'gone' }),
    anImage({ seed: 'untagged' }),
    anImage({ seed: 'shared' })
  ]
  await site.push('app', gone, 'v1')
  await site.remove('app', gone)
  await site.push('app', untagged)
  for (const repository of ['app', 'other']) await pushBlobs(site, repository, shared)
  site.wait(2)
  const before = await site.dump()

  const dry = await site.collect({ dryRun: true })
  assert.deepEqual(await site.dump(), before)
  const { orphansFound, nextReviewAt, ...real } = await site.collect()

  assert.deepEqual(dry, { ...real, dryRun: true })
  assert.deepEqual([real.manifestsRemoved, real.linksRemoved, real.blobsRemoved], [1, 6, 4])
})

test('an abort ends the run, and the next one does the rest', async (t) => {
  const abort = new AbortController()
  let removals = 0
  const site = await openSite(t, {
    beforeCommit: async ({ remove = [] }) => {
      if (remove.some((key) => key.startsWith('link:app:')) && ++removals > 25) abort.abort(new Error('stopping'))
    }
  })
  const images = Array.from({ length: 20 }, (_, index) => anImage({ seed: `${index}` }))
  for (const image of images) {
    await site.push('app', image, 'v1')
    await site.remove('app', image)
  }
  site.wait(1)

  await assert.rejects(site.collect({ signal: abort.signal }), /stopping/)
  const left = await Promise.all(images.map(site.left))
  assert.ok(left.some(({ blobs }) => blobs > 0))
  await site.collect()

  for (const image of images) assert.deepEqual(await site.left(image), nothing)
})

async function store({ blobs }: GarbageSite, bytes: Uint8Array): Promise<void> {
  const upload = await blobs.beginUpload()
  await blobs.append(upload, one(bytes), { at: 0 })
  await blobs.commit(upload, digestOf(bytes))
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
