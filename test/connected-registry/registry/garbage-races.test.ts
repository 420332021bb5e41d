import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import type { Batch } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { type GarbageSite, openSite, origin } from './garbage-site.ts'
import { pushBlobs } from './open-registry.ts'

// Each of these does something in the one moment in which the collector has decided, and has not yet acted.

const image = anImage()
const { digest } = image.manifest.descriptor
const layer = [...image.blobs.keys()].at(-1)!

/** Runs `act` once, just before the first batch that matches; with its own batches it does not meet itself. */
function once(matches: (batch: Batch) => boolean, act: () => Promise<unknown>) {
  let done = false
  return async (batch: Batch): Promise<void> => {
    if (done || !matches(batch)) return
    done = true
    await act()
  }
}

const removes =
  (key: string) =>
  ({ remove = [] }: Batch): boolean =>
    remove.includes(key)

const marks =
  (key: string) =>
  ({ put = [] }: Batch): boolean =>
    put.some(([name, value]) => name === key && typeof value === 'object' && 'removal' in (value as object))

test('a manifest that comes to name a blob which is being removed keeps it', async (t) => {
  const site: GarbageSite = await openSite(t, {
    beforeCommit: once(removes(keys.link('app', layer)), () =>
      site.registry.manifests.put('app', image.manifest, { origin, tag: 'v1' })
    )
  })
  await pushBlobs(site, 'app', image)
  site.wait(0.5)
  for (const other of [...image.blobs.keys()].slice(0, -1)) {
    await site.registry.blobs.link('app', { digest: other, mediaType: 'application/octet-stream' })
  }
  site.wait(0.5)

  await site.collect()

  await assertWhole(site)
  site.wait(1)
  await site.collect()
  await assertWhole(site)
})

test('a blob that is linked again while it is being removed stays', async (t) => {
  const site: GarbageSite = await openSite(t, {
    beforeCommit: once(removes(keys.link('app', layer)), () => pushBlobs(site, 'app', image))
  })
  await pushBlobs(site, 'app', image)
  site.wait(1)

  await site.collect()

  assert.ok(await site.registry.blobs.stat('app', layer))
  await site.registry.manifests.put('app', image.manifest, { origin, tag: 'v1' })
  await assertWhole(site)
})

for (const [moment, matches] of [
  ['before its link is marked', marks(keys.link('app', digest))],
  ['after its link was marked', removes(keys.link('app', digest))]
] as const) {
  const acts: readonly (readonly [string, (registry: Registry) => Promise<unknown>])[] = [
    ['a tag', (registry) => registry.tags.put('app', 'v2', digest, { origin })],
    ['an index', (registry) => registry.manifests.put('app', anIndex([image]).manifest, { origin, tag: 'v2' })],
    ['a second push', (registry) => registry.manifests.put('app', image.manifest, { origin, tag: 'v2' })]
  ]
  for (const [name, act] of acts) {
    test(`${name} put on a manifest ${moment} keeps it`, async (t) => {
      const site: GarbageSite = await openSite(t, { beforeCommit: once(matches, () => act(site.registry)) })
      site.policy = { ...site.policy, untaggedAfterMs: 0 }
      await site.push('app', image)

      await site.collect()
      site.wait(2)
      await site.collect()

      assert.ok(await site.registry.tags.get('app', 'v2'))
      await assertWhole(site)
    })
  }

  test(`a referrer attached to a manifest ${moment} does not outlive it unseen`, async (t) => {
    const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
    const site: GarbageSite = await openSite(t, { beforeCommit: once(matches, () => site.push('app', signature)) })
    site.policy = { ...site.policy, untaggedAfterMs: 0 }
    await site.push('app', image)

    for (const _ of [1, 2, 3, 4]) {
      await site.collect()
      site.wait(1)
    }

    assert.deepEqual(await site.dump(), [])
  })
}

for (const [moment, matchesKey] of [
  ['before its link is marked', marks],
  ['after its link was marked', removes]
] as const) {
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  const signed = signature.manifest.descriptor.digest
  const acts: readonly (readonly [string, (registry: Registry) => Promise<unknown>])[] = [
    ['a tag', (registry) => registry.tags.put('app', 'v2', signed, { origin })],
    ['an index', (registry) => registry.manifests.put('app', anIndex([signature]).manifest, { origin, tag: 'v2' })]
  ]
  for (const [name, act] of acts) {
    test(`${name} put on a referrer without its subject ${moment} keeps it`, async (t) => {
      const matches = matchesKey(keys.link('app', signed))
      const site: GarbageSite = await openSite(t, { beforeCommit: once(matches, () => act(site.registry)) })
      await site.push('app', image, 'v1')
      await site.push('app', signature)
      await site.remove('app', image)
      site.wait(1)

      await site.collect()
      site.wait(2)
      await site.collect()

      assert.ok(await site.registry.tags.get('app', 'v2'))
      assert.equal(await site.holds('app', signature), true)
    })
  }
}

test('a subject that comes while its referrer is being removed keeps it', async (t) => {
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  const key = keys.link('app', signature.manifest.descriptor.digest)
  const site: GarbageSite = await openSite(t, {
    beforeCommit: once(removes(key), () => site.push('app', image, 'v1'))
  })
  site.policy = { ...site.policy, untaggedAfterMs: 0 }
  await site.push('app', signature)

  await site.collect()
  site.wait(2)
  await site.collect()

  assert.equal(await site.holds('app', signature), true)
})

test('a blob that is uploaded while its content is being removed is linked with it', async (t) => {
  let uploading: Promise<void> | undefined
  const site: GarbageSite = await openSite(t, {
    // The file is gone when the batch that forgets it is about to be committed.
    beforeCommit: once(removes(keys.manifest(layer)), async () => {
      uploading = upload(site, layer)
    })
  })
  await site.push('app', image, 'v1')
  await site.remove('app', image)
  site.wait(1)

  await site.collect()
  await uploading

  assert.ok(uploading)
  assert.ok(await site.registry.blobs.stat('other', layer))
  assert.ok(await site.blobs.stat(layer))
})

test('content that somebody is about to link is left for the next run', async (t) => {
  const site = await openSite(t)
  await site.push('app', image, 'v1')
  await site.remove('app', image)
  site.wait(1)

  const report = await site.registry.blobs.hold(layer, async () => {
    const collected = await site.collect()
    assert.equal(
      await site.registry.blobs.link('other', { digest: layer, mediaType: 'application/octet-stream' }),
      true
    )
    return collected
  })

  assert.deepEqual(report.kept, { busy: 1 })
  site.wait(0.5)
  await site.collect()
  assert.ok(await site.blobs.stat(layer))
})

test('content that is linked elsewhere at the moment of its removal is not linked without it', async (t) => {
  const memory = createMemoryBlobStore()
  let linking: Promise<boolean> | undefined
  const blobs: BlobStore = {
    ...memory,
    async remove(gone) {
      linking ??= site.registry.blobs.link('other', { digest: gone, mediaType: 'application/octet-stream' })
      await turns()
      return memory.remove(gone)
    }
  }
  const site = await openSite(t, { blobs })
  await site.push('app', image, 'v1')
  await site.remove('app', image)
  site.wait(1)

  await site.collect()

  assert.equal(await linking, false)
  for (const named of image.blobs.keys()) assert.equal(await site.registry.blobs.stat('other', named), undefined)
})

test('bytes of a manifest that is pushed elsewhere at the moment of their removal stay', async (t) => {
  const site: GarbageSite = await openSite(t, {
    beforeCommit: once(removes(keys.manifest(digest)), () => site.push('other', image, 'v1'))
  })
  // Its blobs stay, so that nothing but its bytes is on the way out.
  await site.push('other', anImage({ annotations: { other: 'manifest' } }), 'v2')
  await site.push('app', image, 'v1')
  await site.remove('app', image)
  site.wait(1)

  await site.collect()

  assert.ok(await site.records.get(keys.manifest(digest)))
  assert.ok(await site.registry.manifests.get('other', { kind: 'digest', digest }))
})

test('a blob that loses its last manifest while its review is closed is reviewed again', async (t) => {
  const twin = anImage({ annotations: { other: 'manifest' } })
  const closes = ({ remove = [], put = [] }: Batch) => put.length === 0 && remove[0] === keys.linkReview('app', layer)
  const site: GarbageSite = await openSite(t, { beforeCommit: once(closes, () => site.remove('app', twin)) })
  await site.push('app', image, 'v1')
  await site.push('app', twin, 'v2')
  await site.remove('app', image)
  site.wait(1)

  await site.collect()
  assert.equal(await site.holds('app', twin), false)
  site.wait(1)
  await site.collect()

  assert.deepEqual(await site.dump(), [])
})

/** Long enough for whatever does not wait for anything. */
async function turns(): Promise<void> {
  for (let count = 0; count < 100; count++) await turn()
}

/** As an upload ends: content stored and linked under one hold. */
async function upload({ registry, blobs }: GarbageSite, of: Digest): Promise<void> {
  await registry.blobs.hold(of, async () => {
    const id = await blobs.beginUpload()
    await blobs.append(id, one(image.blobs.get(of)!), { at: 0 })
    await blobs.commit(id, of)
    assert.equal(await registry.blobs.link('other', { digest: of, mediaType: 'application/octet-stream' }), true)
  })
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function assertWhole({ registry, blobs }: GarbageSite): Promise<void> {
  assert.ok(await registry.manifests.get('app', { kind: 'digest', digest }))
  for (const named of image.blobs.keys()) {
    assert.ok(await registry.blobs.stat('app', named))
    assert.ok(await blobs.stat(named))
  }
}
