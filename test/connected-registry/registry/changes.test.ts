import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { Batch } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushImage } from './open-registry.ts'

const now = () => new Date('2026-03-04T05:06:07Z')

for (const medium of media) {
  test(`the log goes on where it stopped when the registry is opened again (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium, now })
    const image = anImage()
    await pushImage(open, 'app', image, 'v1')
    const { digest, mediaType, size } = image.manifest.descriptor

    const reopened = await createRegistry({ ...open, now })
    await reopened.tags.put('app', 'v2', digest, { origin: 'sync' })

    const common = { repository: 'app', digest, mediaType, size, at: '2026-03-04T05:06:07.000Z' }
    assert.deepEqual(await reopened.changes.read(0, 10), [
      { sequence: 1, action: 'push', origin: 'parent', ...common },
      { sequence: 2, action: 'tag', tag: 'v1', origin: 'parent', ...common },
      { sequence: 3, action: 'tag', tag: 'v2', origin: 'sync', ...common }
    ])
    assert.equal(reopened.changes.head(), 3)
    assert.deepEqual(
      (await reopened.changes.read(1, 1)).map(({ sequence }) => sequence),
      [2]
    )
  })
}

test('the head is the last durable change, not one that is on its way', async (t) => {
  const gate = Promise.withResolvers<void>()
  const open = await openRegistry(t, {
    afterCommit: (batch) => (writes(batch, 'tag:app:v2 v2') ? gate.promise : undefined)
  })
  const index = anIndex([])
  const { digest } = index.manifest.descriptor
  await pushImage(open, 'app', index)
  const heads: number[] = []
  const stop = open.registry.changes.onChange((head) => heads.push(head))

  const first = open.registry.tags.put('app', 'v1', digest, { origin: 'parent' })
  const second = open.registry.tags.put('app', 'v2', digest, { origin: 'parent' })
  await first
  assert.equal(open.registry.changes.head(), 2)
  gate.resolve()
  await second

  assert.equal(open.registry.changes.head(), 3)
  assert.deepEqual(heads, [2, 3])
  stop()
  await open.registry.tags.remove('app', 'v1', { origin: 'parent' })
  assert.deepEqual(heads, [2, 3])
})

function writes({ put = [] }: Batch, key: string): boolean {
  return put.some(([written]) => written === key)
}

test('a change that fails leaves no entry', async (t) => {
  const open = await openRegistry(t)
  const index = anIndex([])
  await pushImage(open, 'app', index, 'v1')
  const { digest } = index.manifest.descriptor
  const along = { expect: [['base:app:v2', 'something else']] } as const

  await assert.rejects(open.registry.tags.put('app', 'v2', digest, { origin: 'parent', along }), { code: 'CONFLICT' })
  await open.registry.tags.put('app', 'v3', digest, { origin: 'parent' })

  const tags = (await open.registry.changes.read(0, 10)).map(({ tag }) => tag)
  assert.deepEqual(tags, [undefined, 'v1', 'v3'])
})
