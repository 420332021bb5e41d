import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { Changes } from '../../../modules/connected-registry/src/registry/registry.ts'
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

const long = { before: new Date(0) }

for (const medium of media) {
  test(`a log that is trimmed tells the reader behind it, and goes on for the others (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium, now })
    await pushImage(open, 'app', anImage(), 'v1')
    const { digest } = anImage().manifest.descriptor
    for (const tag of ['v2', 'v3', 'v4']) await open.registry.tags.put('app', tag, digest, { origin: 'sync' })

    const removed = await open.registry.changes.trim({ ...long, keep: 2 })

    const reopened = await createRegistry({ ...open, now })
    for (const { changes } of [open.registry, reopened]) {
      assert.equal(removed, 3)
      assert.equal(changes.head(), 5)
      assert.deepEqual(await tagsSince(changes, 0), 'trimmed')
      assert.deepEqual(await tagsSince(changes, 2), 'trimmed')
      assert.deepEqual(await tagsSince(changes, 3), ['v3', 'v4'])
      assert.deepEqual(await tagsSince(changes, 5), [])
    }
    await reopened.tags.put('app', 'v5', digest, { origin: 'sync' })
    assert.deepEqual(await tagsSince(reopened.changes, 5), ['v5'])
  })
}

async function tagsSince(changes: Changes, cursor: number) {
  const page = await changes.since(cursor, 100)
  return page === 'trimmed' ? page : page.map(({ tag }) => tag)
}

test('entries go by their age, from the oldest on, and a log that is empty keeps its head', async (t) => {
  let today = '2026-01-01'
  const open = await openRegistry(t, { now: () => new Date(today) })
  await pushImage(open, 'app', anImage(), 'v1')
  const { digest } = anImage().manifest.descriptor
  for (const day of ['2026-01-02', '2026-01-03', '2026-01-04']) {
    today = day
    await open.registry.tags.put('app', day, digest, { origin: 'sync' })
  }
  const { changes } = open.registry

  const removed = await changes.trim({ before: new Date('2026-01-03'), keep: 100 })

  assert.equal(removed, 3)
  assert.deepEqual(await tagsSince(changes, 3), ['2026-01-03', '2026-01-04'])
  assert.equal(await changes.trim({ before: new Date('2027-01-01'), keep: 100 }), 2)
  assert.deepEqual(await tagsSince(changes, 4), 'trimmed')
  assert.deepEqual(await tagsSince(changes, 5), [])
  assert.equal((await createRegistry(open)).changes.head(), 5)
})

test('a cursor that no entry ever had is of another log', async (t) => {
  const { registry } = await openRegistry(t)

  assert.equal(await registry.changes.since(1, 100), 'trimmed')
  assert.deepEqual(await registry.changes.since(0, 100), [])
})

test('a long log is trimmed in batches, between which it can be stopped', async (t) => {
  const batches: number[] = []
  const open = await openRegistry(t, {
    beforeCommit: async ({ remove = [] }) => void (remove.length > 1 && batches.push(remove.length))
  })
  const index = anIndex([])
  await pushImage(open, 'app', index)
  const { digest } = index.manifest.descriptor
  for (let at = 0; at < 600; at++) await open.registry.tags.put('app', `v${at}`, digest, { origin: 'sync' })
  const stopping = new AbortController()

  const stopped = open.registry.changes.trim({ ...long, keep: 1 }, stopping.signal)
  stopping.abort(new Error('the module stops'))

  await assert.rejects(stopped, /the module stops/)
  assert.deepEqual(batches, [256])
  assert.equal(await open.registry.changes.trim({ ...long, keep: 1 }), 344)
  assert.deepEqual(batches, [256, 256, 88])
})

test('a reader that keeps its cursor misses nothing that it is not told to compare, however the log is trimmed', async (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('change' as const) },
    fc.record({ keep: fc.nat(6) }),
    fc.record({ read: fc.integer({ min: 1, max: 4 }) })
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const open = await openRegistry(t)
      const index = anIndex([])
      await pushImage(open, 'app', index)
      const { changes, tags } = open.registry
      let [cursor, made] = [0, 0]
      const seen = new Set<string | undefined>()
      const read = async (limit: number) => {
        const head = changes.head()
        const page = await changes.since(cursor, limit)
        if (page === 'trimmed') {
          for (const tag of await tags.list('app', { limit: 1000 })) seen.add(tag)
          cursor = head
        } else for (const { sequence, tag } of page) [cursor] = [sequence, seen.add(tag)]
        return page.length
      }

      const work: Promise<unknown>[] = []
      for (const one of steps) {
        if (one === 'change')
          work.push(tags.put('app', `v${made++}`, index.manifest.descriptor.digest, { origin: 'sync' }))
        else if ('keep' in one) work.push(changes.trim({ ...long, keep: one.keep }))
        else await read(one.read)
      }
      await Promise.all(work)
      while ((await read(100)) > 0);

      for (let tag = 0; tag < made; tag++) assert.ok(seen.has(`v${tag}`), `v${tag} was missed`)
    })
  )
})
