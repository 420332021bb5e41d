import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushBlobs, pushImage } from './open-registry.ts'

for (const medium of media) {
  test(`a removed repository leaves nothing of its own, and its neighbours as they were (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const index = anIndex([anImage({ seed: 'a' }), anImage({ seed: 'b' })])
    for (const repository of ['app', 'app2', 'app/sub', 'ap']) {
      await pushImage(open, repository, index, 'v1')
      await pushImage(open, repository, aReferrer(index, { artifactType: 'application/vnd.example.sbom' }))
    }
    const before = await catalogOf(open.records, ['app2', 'app/sub', 'ap'])

    const removed = await open.registry.repositories.remove('app', 'parent')
    const again = await open.registry.repositories.remove('app', 'parent')

    assert.deepEqual([removed, again], [true, false])
    assert.equal(await open.registry.repositories.has('app'), false)
    assert.deepEqual(await catalogOf(open.records, ['app']), [])
    assert.deepEqual(await catalogOf(open.records, ['app2', 'app/sub', 'ap']), before)
    assert.deepEqual(await open.registry.repositories.list({ limit: 10 }), ['ap', 'app/sub', 'app2'])
  })
}

test('a repository is there with its first content', async (t) => {
  const open = await openRegistry(t)
  assert.equal(await open.registry.repositories.has('app'), false)

  await pushBlobs(open, 'app', anImage())

  assert.equal(await open.registry.repositories.has('app'), true)
})

test('names are listed in byte order, a page at a time', async (t) => {
  const open = await openRegistry(t)
  for (const name of ['b', 'a-b', 'a', 'a/b', 'a.b']) await pushImage(open, name, anIndex([]))

  const first = await open.registry.repositories.list({ limit: 3 })
  const rest = await open.registry.repositories.list({ after: first.at(-1), limit: 3 })

  assert.deepEqual(
    [first, rest],
    [
      ['a', 'a-b', 'a.b'],
      ['a/b', 'b']
    ]
  )
})

test('the log tells of every tag and manifest that went, tags first', async (t) => {
  const open = await openRegistry(t)
  const [first, second] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  for (const tag of ['v1', 'v2']) await pushImage(open, 'app', first, tag)
  await pushImage(open, 'app', second, 'v3')
  const head = open.registry.changes.head()

  await open.registry.repositories.remove('app', 'sync')

  const changes = await open.registry.changes.read(head, 100)
  const digests = [first, second].map(({ manifest }) => manifest.descriptor.digest).sort()
  assert.deepEqual(
    changes.map(({ action, tag, digest }) => tag ?? `${action} ${digest}`),
    ['v1', 'v2', 'v3', ...digests.map((digest) => `delete ${digest}`)]
  )
  assert.ok(changes.every(({ origin }) => origin === 'sync'))
})

test('a large repository goes in batches of bounded size', async (t) => {
  const sizes: number[] = []
  const open = await openRegistry(t, {
    beforeCommit: async ({ put = [], remove = [] }) => void sizes.push(put.length + remove.length)
  })
  const image = anImage()
  const { digest } = image.manifest.descriptor
  await pushImage(open, 'app', image)
  for (let tag = 0; tag < 900; tag++) await open.registry.tags.put('app', `v${tag}`, digest, { origin: 'parent' })
  sizes.length = 0

  await open.registry.repositories.remove('app', 'parent')

  assert.ok(Math.max(...sizes) <= 500, `a batch had ${Math.max(...sizes)} records`)
  assert.deepEqual(await catalogOf(open.records, ['app']), [])
})

test('a push into a repository that is being removed stops the removal, and is whole', async (t) => {
  const [old, fresh] = [anImage({ seed: 'old' }), anImage({ seed: 'fresh' })]
  let pushed: Promise<void> | undefined
  const open = await openRegistry(t, {
    beforeCommit: async ({ remove = [] }) => {
      if (pushed || !remove.includes(keys.link('app', old.manifest.descriptor.digest))) return
      pushed = pushImage(open, 'app', fresh, 'v2')
      await pushed
    }
  })
  await pushImage(open, 'app', old, 'v1')

  await assert.rejects(open.registry.repositories.remove('app', 'parent'), { code: 'CONFLICT' })

  assert.deepEqual(await open.registry.tags.list('app', { limit: 10 }), ['v2'])
  for (const digest of fresh.blobs.keys()) assert.ok(await open.registry.blobs.stat('app', digest))
  assert.equal(await open.registry.repositories.remove('app', 'parent'), true)
  assert.deepEqual(await catalogOf(open.records, ['app']), [])
})

test('a manifest removed from a repository that is being removed is told of once', async (t) => {
  const image = anImage()
  const { digest } = image.manifest.descriptor
  let removed: Promise<boolean> | undefined
  const open = await openRegistry(t, {
    beforeCommit: async ({ remove = [] }) => {
      if (removed || !remove.includes(keys.link('app', digest))) return
      removed = open.registry.manifests.remove('app', digest, { origin: 'client:ci' })
      await removed
    }
  })
  await pushImage(open, 'app', image)

  await open.registry.repositories.remove('app', 'parent')

  const changes = await open.registry.changes.read(0, 100)
  assert.deepEqual(
    changes.map(({ action }) => action),
    ['push', 'delete']
  )
  assert.deepEqual(await catalogOf(open.records, ['app']), [])
})

test('a manifest that is a blob as well goes as both, and the log tells of it', async (t) => {
  const open = await openRegistry(t)
  const index = anIndex([])
  const { digest, mediaType } = index.manifest.descriptor
  await pushBlobs(open, 'app', {
    manifest: index.manifest,
    blobs: new Map([[digest, index.manifest.bytes]]),
    children: []
  })
  await open.registry.manifests.put('app', index.manifest, { origin: 'parent' })

  await open.registry.repositories.remove('app', 'parent')

  const changes = await open.registry.changes.read(0, 10)
  assert.deepEqual(
    changes.map(({ action, mediaType }) => [action, mediaType]),
    [
      ['push', mediaType],
      ['delete', mediaType]
    ]
  )
  assert.deepEqual(await catalogOf(open.records, ['app']), [])
})

async function catalogOf(records: RecordStore, repositories: readonly string[]) {
  const prefixes = repositories.flatMap((repository) => [
    keys.tags(repository),
    keys.links(repository),
    keys.referrersOf(repository)
  ])
  const pages = await Promise.all(prefixes.map((prefix) => records.list(prefix, { limit: 10_000 })))
  return pages.flat()
}
