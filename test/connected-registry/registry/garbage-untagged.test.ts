import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayMs } from '../../../modules/connected-registry/src/registry/garbage.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { nothing, openSite } from './garbage-site.ts'
import { pushBlobs } from './open-registry.ts'

test('an untagged manifest stays for ever where no time is set', async (t) => {
  const site = await openSite(t)
  const image = anImage()
  await site.push('app', image, 'v1')
  await site.untag('app', 'v1')
  site.wait(1000)

  assert.equal((await site.collect()).reviewed, 0)
  assert.equal(await site.holds('app', image), true)
})

test('an untagged manifest goes when its time is over, counted from its last tag', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  const [old, fresh] = [anImage({ seed: 'old' }), anImage({ seed: 'fresh' })]
  await site.push('app', old, 'v1')
  await site.registry.tags.put('app', 'stable', old.manifest.descriptor.digest, { origin: 'parent' })
  await site.push('app', fresh, 'v1')
  site.wait(5)
  await site.untag('app', 'stable')
  site.wait(6)

  await site.collect()
  assert.equal(await site.holds('app', old), true)
  site.wait(1.1)
  const report = await site.collect()

  assert.equal(report.manifestsRemoved, 1)
  assert.equal(await site.holds('app', old), false)
  assert.deepEqual(await site.left(old), { blobs: 2, manifests: 0 })
  site.wait(1.1)
  await site.collect()
  assert.deepEqual(await site.left(old), nothing)
  assert.deepEqual(await site.left(fresh), { blobs: 2, manifests: 1 })
})

test('a manifest that got a tag again, or was put again, does not go', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  const [tagged, put] = [anImage({ seed: 'tagged' }), anImage({ seed: 'put' })]
  for (const image of [tagged, put]) {
    await site.push('app', image, 'v1')
    await site.untag('app', 'v1')
  }
  site.wait(6)
  await site.push('app', tagged, 'v1')
  await site.push('app', put)
  site.wait(2)

  await site.collect()

  assert.deepEqual([await site.holds('app', tagged), await site.holds('app', put)], [true, true])
})

test('what the parent still lists, or a copy under way still needs, stays', async (t) => {
  const site = await openSite(t)
  const [listed, half] = [anImage({ seed: 'listed' }), anImage({ seed: 'half' })]
  const asked: (readonly [string, string, string])[] = []
  let wanted = true
  site.policy = {
    ...site.policy,
    untaggedAfterMs: 0,
    isWanted: async (...question) => {
      asked.push(question)
      return wanted
    }
  }
  await site.push('app', listed, 'v1')
  await site.untag('app', 'v1')
  await pushBlobs(site, 'app', half)
  site.wait(30)

  const report = await site.collect()
  assert.deepEqual(report.kept, { wanted: 3 })
  assert.equal(await site.holds('app', listed), true)
  assert.ok(asked.every(([repository, , since]) => repository === 'app' && since === '2026-03-01T00:00:00.000Z'))
  wanted = false
  await site.collect()

  assert.equal(await site.holds('app', listed), false)
  assert.deepEqual(await site.left(half), nothing)
})

test('the manifests of an index stay as long as it does, and go with it', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  const [child, deep] = [anImage({ seed: 'child' }), anImage({ seed: 'deep' })]
  const index = anIndex([child, anIndex([deep])])
  await site.push('app', index, 'v1')
  await site.registry.tags.put('app', 'amd64', child.manifest.descriptor.digest, { origin: 'parent' })
  await site.untag('app', 'amd64')
  site.wait(30)

  await site.collect()
  assert.deepEqual(await site.left(index), { blobs: 4, manifests: 4 })
  await site.untag('app', 'v1')
  site.wait(7)
  const report = await site.collect()

  assert.equal(report.manifestsRemoved, 4)
  assert.deepEqual(await site.left(index), { blobs: 4, manifests: 0 })
  site.wait(1)
  await site.collect()
  assert.deepEqual(await site.left(index), nothing)
  assert.deepEqual(await site.dump(), [])
})

test('a manifest whose own tag left after its index was forgotten waits for its own time', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  const child = anImage()
  await site.push('app', anIndex([child]), 'v1')
  await site.registry.tags.put('app', 'amd64', child.manifest.descriptor.digest, { origin: 'parent' })
  await site.untag('app', 'v1')
  site.wait(6)
  await site.untag('app', 'amd64')
  site.wait(1)

  await site.collect()
  assert.equal(await site.holds('app', child), true)
  site.wait(6)
  await site.collect()

  assert.equal(await site.holds('app', child), false)
})

test('a referrer stays as long as its subject, and goes after it', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  const image = anImage()
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  const countersignature = aReferrer(signature, { artifactType: 'application/vnd.example.countersignature' })
  for (const built of [image, signature, countersignature]) await site.push('app', built)
  await site.registry.tags.put('app', 'v1', image.manifest.descriptor.digest, { origin: 'parent' })
  site.wait(30)

  await site.collect()
  assert.equal(await site.holds('app', countersignature), true)
  await site.remove('app', image)
  site.wait(1)
  await site.collect()
  assert.deepEqual([await site.holds('app', signature), await site.holds('app', countersignature)], [false, true])
  for (const _ of [1, 2]) {
    site.wait(1)
    await site.collect()
  }

  assert.deepEqual(await site.dump(), [])
})

test('a referrer whose subject came back in time stays', async (t) => {
  const site = await openSite(t)
  const image = anImage()
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  await site.push('app', image, 'v1')
  await site.push('app', signature)
  await site.remove('app', image)
  site.wait(0.9)
  await site.push('app', image, 'v1')
  site.wait(0.9)

  await site.collect()

  assert.equal(await site.holds('app', signature), true)
})

test('a referrer that came before its subject is an untagged manifest like any other', async (t) => {
  const site = await openSite(t)
  const signature = aReferrer(anImage(), { artifactType: 'application/vnd.example.signature' })
  await site.push('app', signature)
  site.wait(1000)

  await site.collect()
  assert.equal(await site.holds('app', signature), true)
  site.policy = { ...site.policy, untaggedAfterMs: 7 * dayMs }
  await site.collect()

  assert.equal(await site.holds('app', signature), false)
})
