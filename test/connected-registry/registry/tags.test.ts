import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushImage } from './open-registry.ts'

const origin = 'parent'

for (const medium of media) {
  test(`tags are listed in case-insensitive order, and after a tag that need not exist (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const image = anImage()
    await pushImage(open, 'app', image)
    const tags = ['v10', 'Beta', 'alpha', 'ALPHA', 'v1', 'v1-rc.1', '_x', 'beta2', 'V1']
    for (const tag of tags) await open.registry.tags.put('app', tag, image.manifest.descriptor.digest, { origin })

    const all = await open.registry.tags.list('app', { limit: 100 })
    const after = await open.registry.tags.list('app', { after: 'BETA1', limit: 2 })

    assert.deepEqual(all, ['_x', 'ALPHA', 'alpha', 'Beta', 'beta2', 'V1', 'v1', 'v1-rc.1', 'v10'])
    assert.deepEqual(after, ['beta2', 'V1'])
    assert.deepEqual(await open.registry.tags.list('app', { limit: 0 }), [])
  })
}

test('a tag says when it first came and when it last moved', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const open = await openRegistry(t, { now: () => now })
  const [first, second] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  await pushImage(open, 'app', first, 'v1')
  await pushImage(open, 'app', second)
  now = new Date('2026-02-02T00:00:00Z')

  await open.registry.tags.put('app', 'v1', first.manifest.descriptor.digest, { origin })
  const before = await open.registry.tags.get('app', 'v1')
  await open.registry.tags.put('app', 'v1', second.manifest.descriptor.digest, { origin })
  const after = await open.registry.tags.get('app', 'v1')

  const createdAt = '2026-01-01T00:00:00.000Z'
  assert.deepEqual(before, { ...first.manifest.descriptor, createdAt, updatedAt: createdAt })
  assert.deepEqual(after, { ...second.manifest.descriptor, createdAt, updatedAt: '2026-02-02T00:00:00.000Z' })
})

test('a tag never points at a manifest that is not here', async (t) => {
  const open = await openRegistry(t)
  await pushImage(open, 'other', anImage(), 'v1')
  const { digest } = anImage().manifest.descriptor

  await assert.rejects(open.registry.tags.put('app', 'v1', digest, { origin }), { code: 'MANIFEST_UNKNOWN' })
  assert.equal(await open.registry.tags.get('app', 'v1'), undefined)
})

test('a blob is no target for a tag', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushImage(open, 'app', image)

  for (const blob of image.blobs.keys()) {
    await assert.rejects(open.registry.tags.put('app', 'v1', blob, { origin }), { code: 'MANIFEST_UNKNOWN' })
  }
})

test('a tag moves only from where its mover expects it', async (t) => {
  const open = await openRegistry(t)
  const [first, second] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  const from = first.manifest.descriptor.digest
  const to = second.manifest.descriptor.digest
  await pushImage(open, 'app', first, 'v1')
  await pushImage(open, 'app', second)

  await assert.rejects(open.registry.tags.put('app', 'v1', to, { origin, expect: to }), { code: 'CONFLICT' })
  await assert.rejects(open.registry.tags.put('app', 'v1', to, { origin, expect: null }), { code: 'CONFLICT' })
  await assert.rejects(open.registry.tags.remove('app', 'v1', { origin, expect: to }), { code: 'CONFLICT' })
  await assert.rejects(open.registry.tags.put('app', 'v2', to, { origin, expect: to }), { code: 'CONFLICT' })
  await open.registry.tags.put('app', 'v1', to, { origin, expect: from })

  assert.equal((await open.registry.tags.get('app', 'v1'))?.digest, to)
})

test('a removed tag leaves its manifest', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushImage(open, 'app', image, 'v1')

  const removed = await open.registry.tags.remove('app', 'v1', { origin })
  const again = await open.registry.tags.remove('app', 'v1', { origin })

  assert.deepEqual([removed, again], [true, false])
  assert.equal(await open.registry.manifests.get('app', { kind: 'tag', tag: 'v1' }), undefined)
  assert.deepEqual(await open.registry.manifests.list('app', { limit: 10 }), [image.manifest.descriptor])
})

test("the caller's records are written even where the tag is gone already", async (t) => {
  const open = await openRegistry(t)
  await open.records.commit({ put: [['base:app:v1', 'agreed']] })

  const removed = await open.registry.tags.remove('app', 'v1', { origin, along: { remove: ['base:app:v1'] } })

  assert.equal(removed, false)
  assert.equal(await open.records.get('base:app:v1'), undefined)
})

test('a tag that differs in case only is another tag', async (t) => {
  const open = await openRegistry(t)
  const [lower, upper] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]

  await pushImage(open, 'app', lower, 'latest')
  await pushImage(open, 'app', upper, 'LATEST')

  assert.equal((await open.registry.tags.get('app', 'latest'))?.digest, lower.manifest.descriptor.digest)
  assert.equal((await open.registry.tags.get('app', 'LATEST'))?.digest, upper.manifest.descriptor.digest)
  assert.equal(await open.registry.tags.get('app', 'Latest'), undefined)
})

test('a tag that moves or goes may leave what it named under another one, in the same batch', async (t) => {
  const open = await openRegistry(t)
  const { tags, changes } = open.registry
  const [first, second] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })].map(({ manifest }) => manifest.descriptor)
  await pushImage(open, 'app', anImage({ seed: 'a' }), 'v1')
  await pushImage(open, 'app', anImage({ seed: 'b' }))
  const head = changes.head()

  await tags.put('app', 'v1', second!.digest, { origin, expect: first!.digest, keepAs: 'v1-kept' })
  await tags.remove('app', 'v1', { origin, keepAs: 'v1-gone' })

  assert.deepEqual(await tags.list('app', { limit: 10 }), ['v1-gone', 'v1-kept'])
  assert.equal((await tags.get('app', 'v1-kept'))?.digest, first!.digest)
  assert.equal((await tags.get('app', 'v1-gone'))?.digest, second!.digest)
  const told = (await changes.read(head, 10)).map((change) => [change.action, change.tag, change.origin])
  assert.deepEqual(told, [
    ['tag', 'v1', 'parent'],
    ['tag', 'v1-kept', 'sync'],
    ['untag', 'v1', 'parent'],
    ['tag', 'v1-gone', 'sync']
  ])
  assert.deepEqual(await open.records.list('review:untagged:app:', { limit: 10 }), [], 'both are still tagged')
})

test('a tag that is not where it was expected keeps nothing and moves nothing', async (t) => {
  const open = await openRegistry(t)
  const { tags } = open.registry
  await pushImage(open, 'app', anImage({ seed: 'a' }), 'v1')
  await pushImage(open, 'app', anImage({ seed: 'b' }))
  const [first, second] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })].map(({ manifest }) => manifest.descriptor)

  const moving = tags.put('app', 'v1', second!.digest, { origin, expect: second!.digest, keepAs: 'v1-kept' })

  await assert.rejects(moving, { code: 'CONFLICT' })
  assert.deepEqual(await tags.list('app', { limit: 10 }), ['v1'])
  assert.equal((await tags.get('app', 'v1'))?.digest, first!.digest)
})
