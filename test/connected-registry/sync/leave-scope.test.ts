import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { openCloud, writeRights } from './parents.ts'
import { openSite } from './site.ts'
import { digestOf, first, second } from './writing-site.ts'

const names = ['plant/a', 'plant/b', 'plant/c']

/** All three are on both sides; `meanwhile` happens right before `plant/b` begins to leave. */
async function openLeaving(t: TestContext, meanwhile: () => Promise<void>) {
  const { connection, cloud } = await openCloud(t, 'acr', names, { rights: writeRights })
  for (const name of names) cloud.contents.put(name, first, '1.0')
  const records = createMemoryRecordStore()
  let isLeaving = false
  const commit: typeof records.commit = async (batch) => {
    const begins = isLeaving && batch.remove?.includes(keys.looked('plant/b'))
    isLeaving &&= !begins
    if (begins) await meanwhile()
    return records.commit(batch)
  }
  const site = await openSite(t, connection, names, { mode: 'ReadWrite', records: { ...records, commit } })
  await site.sync()
  isLeaving = true
  return { cloud, site }
}

test('what a client pushes into a repository that is about to leave the scope stays, and the others leave', async (t) => {
  const { cloud, site } = await openLeaving(t, () => site.push('plant/b', second, '2.0'))

  site.engine.apply({ ...site.wish(['plant/a']), mode: 'ReadOnly' })
  await site.sync()

  assert.deepEqual(await site.registry.repositories.list({ limit: 10 }), ['plant/a', 'plant/b'])
  assert.equal(await site.tag('plant/b', '2.0'), digestOf(second))
  await site.scope(names)
  await site.sync()
  assert.equal(cloud.contents.repository('plant/b')?.tags.get('2.0')?.digest, digestOf(second))
})

test('a scope that is taken back while repositories leave keeps those that are still there', async (t) => {
  const { site } = await openLeaving(t, () => site.scope(names))
  const head = site.registry.changes.head()

  site.engine.apply({ ...site.wish(['plant/a']), mode: 'ReadOnly' })
  assert.equal(await site.engine.sync(), undefined, 'cut')
  await site.sync()

  assert.deepEqual(await site.registry.repositories.list({ limit: 10 }), names)
  const changed = await site.registry.changes.read(head, 100)
  assert.deepEqual(new Set(changed.map(({ repository }) => repository)), new Set(['plant/b']), 'it left, and came back')
})

test('a repository that stays because a client wrote to it goes on where both sides agreed, once it is in scope again', async (t) => {
  const { cloud, site } = await openLeaving(t, () => site.push('plant/b', second, '2.0'))
  site.engine.apply({ ...site.wish(['plant/a']), mode: 'ReadOnly' })
  await site.sync()
  cloud.contents.put('plant/b', second, '1.0')

  await site.scope(names)
  await site.sync()

  assert.equal(await site.tag('plant/b', '1.0'), digestOf(second))
})
