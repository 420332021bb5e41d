import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { openParent, parentKinds, writeRights } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const mode = 'ReadWrite'
const digestOf = ({ manifest }: ReturnType<typeof anImage>) => manifest.descriptor.digest

for (const kind of parentKinds) {
  test(`${kind}: what a client of a ReadWrite site tagged stays, whether the parent takes it or not`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const [above, here] = ['above', 'here'].map((seed) => anImage({ seed })) as [Image, Image]
    await parent.put(repository, above, 'moved')
    const site = await openSite(t, parent.connection, [repository], { mode })
    await site.sync()

    await site.push(repository, here, 'moved')
    await site.push(repository, here, 'new')
    await site.resync()
    await site.resync()

    assert.equal(await site.tag(repository, 'moved'), digestOf(here))
    assert.equal(await site.tag(repository, 'new'), digestOf(here))
  })

  test(`${kind}: a tag that a client took away stays away until the parent moves it`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const [before, after] = [anImage({ seed: 'before' }), anImage({ seed: 'after' })]
    await parent.put(repository, before, 'v1')
    const site = await openSite(t, parent.connection, [repository], { mode })
    await site.sync()

    await site.registry.tags.remove(repository, 'v1', { origin: 'client:line-1' })
    await site.resync()
    const gone = await site.tag(repository, 'v1')
    await parent.put(repository, after, 'v1')
    await site.resync()

    assert.equal(gone, undefined)
    assert.equal(await site.tag(repository, 'v1'), digestOf(after))
  })

  test(`${kind}: a repository that leaves the scope of a ReadWrite site stays`, async (t) => {
    const parent = await openParent(t, kind, [repository, 'plant/other'])
    if (!parent) return
    const image = anImage()
    await parent.put(repository, image, '1.0')
    await parent.put('plant/other', image, '1.0')
    const site = await openSite(t, parent.connection, [repository], { mode })
    await site.sync()

    await site.scope(['plant/other'])
    await site.sync()

    assert.equal(await site.tag(repository, '1.0'), digestOf(image))
  })

  test(`${kind}: an index pushed without its manifests gets them from a parent that has them`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    const child = anImage({ seed: 'child' })
    const index = anIndex([child])
    await parent.put(repository, index, '1.0')
    const site = await openSite(t, parent.connection, [repository], { mode })
    await site.push(repository, index, '1.0', true)

    await site.sync()

    assert.equal(await site.holds(repository, digestOf(child)), true)
    assert.equal(await site.registry.manifests.isWhole(repository, digestOf(index)), true)
  })
}

type Image = ReturnType<typeof anImage>

test('a manifest deleted above stays while a tag or an index of this site needs it', async (t) => {
  const parent = (await openParent(t, 'acr', [repository]))!
  const [tagged, child, unused] = ['tagged', 'child', 'unused'].map((seed) => anImage({ seed })) as [
    Image,
    Image,
    Image
  ]
  for (const [tag, image] of Object.entries({ tagged, child, unused })) await parent.put(repository, image, tag)
  await parent.put(repository, anImage({ seed: 'kept' }), 'kept')
  await parent.put(repository, anImage({ seed: 'kept too' }), 'kept-too')
  await parent.put(repository, anImage({ seed: 'kept as well' }), 'kept-as-well')
  const site = await openSite(t, parent.connection, [repository], { mode })
  await site.sync()
  await site.registry.tags.put(repository, 'mine', digestOf(tagged), { origin: 'client:line-1' })
  await site.push(repository, anIndex([child]), 'my-index')

  for (const image of [tagged, child, unused]) await parent.remove(repository, digestOf(image))
  await site.sync()
  await site.sync()

  assert.equal(await site.tag(repository, 'mine'), digestOf(tagged))
  assert.equal(await site.holds(repository, digestOf(child)), true)
  assert.equal(await site.holds(repository, digestOf(unused)), false)
  for (const tag of ['tagged', 'child', 'unused']) assert.equal(await site.tag(repository, tag), undefined)
})

test('a manifest deleted above stays where a client puts it back while something else arrives', async (t) => {
  const parent = (await openParent(t, 'acr', [repository], { rights: writeRights }))!
  const [kept, gone, late] = ['kept', 'gone', 'late'].map((seed) => anImage({ seed })) as [Image, Image, Image]
  await parent.put(repository, kept, 'kept')
  await parent.put(repository, gone)
  const site = await openSite(t, parent.connection, [repository], { mode })
  await site.sync()
  await parent.remove(repository, digestOf(gone))
  await parent.put(repository, late, 'late')
  const { promise: isBack, resolve: goOn } = Promise.withResolvers<void>()
  parent.cloud!.faults.add({ route: 'data' }, { kind: 'hang', until: isBack })
  const arriving = parent.cloud!.nextRequest({ route: 'data' })

  const syncing = site.sync()
  await arriving
  await site.registry.manifests.remove(repository, digestOf(gone), { origin: 'client:line-1' })
  await site.push(repository, gone)
  goOn()
  await syncing
  await site.sync()

  assert.equal(await site.tag(repository, 'late'), digestOf(late))
  assert.equal(await site.holds(repository, digestOf(gone)), true)
  assert.equal(await parent.holds(repository, digestOf(gone)), true)
})

for (const what of ['looked up', 'marked'] as const) {
  test(`a manifest deleted above stays where a client puts it back in the moment it is ${what} to go`, async (t) => {
    const gone = anImage({ seed: 'gone' })
    const { parent, site, during } = await openMoment(t, keys.link(repository, digestOf(gone)), what)
    await parent.put(repository, gone)
    await site.sync()
    await parent.remove(repository, digestOf(gone))

    await during(async () => {
      await site.registry.manifests.remove(repository, digestOf(gone), { origin: 'client:line-1' })
      await site.push(repository, gone)
    })
    await site.sync()

    assert.equal(await site.holds(repository, digestOf(gone)), true)
    assert.equal(await parent.holds(repository, digestOf(gone)), true)
  })
}

test('a tag deleted above stays where a client puts it back in the moment it is looked up to go', async (t) => {
  const { parent, site, kept, during } = await openMoment(t, keys.tag(repository, 'gone'), 'looked up')
  await parent.put(repository, kept, 'gone')
  await site.sync()
  await parent.untag!(repository, 'gone')

  await during(async () => {
    await site.registry.tags.remove(repository, 'gone', { origin: 'client:line-1' })
    await site.registry.tags.put(repository, 'gone', digestOf(kept), { origin: 'client:line-1' })
  })
  await site.sync()

  assert.equal(await site.tag(repository, 'gone'), digestOf(kept))
  assert.equal(await parent.tag(repository, 'gone'), digestOf(kept))
})

/** A site and a parent with one image, and a round in which clients act just before the record of `key` is `looked up` or `marked`. */
async function openMoment(t: TestContext, key: string, moment: 'looked up' | 'marked') {
  const parent = (await openParent(t, 'acr', [repository], { rights: writeRights }))!
  const kept = anImage({ seed: 'kept' })
  await parent.put(repository, kept, 'kept')
  const inner = createMemoryRecordStore()
  let next: (() => Promise<void>) | undefined
  const act = () => {
    const once = next
    next = undefined
    return once?.()
  }
  const records: RecordStore = {
    ...inner,
    async get(wanted) {
      if (moment === 'looked up' && wanted === key) await act()
      return inner.get(wanted)
    },
    async commit(batch) {
      if (moment === 'marked' && batch.put?.some(([put]) => put === key)) await act()
      return inner.commit(batch)
    }
  }
  const site = await openSite(t, parent.connection, [repository], { mode, records })
  return {
    parent,
    site,
    kept,
    /** Planned is by then what is to go; something else still arrives. */
    async during(change: () => Promise<void>) {
      const late = anImage({ seed: 'late' })
      await parent.put(repository, late, 'late')
      const { promise: isPlanned, resolve: goOn } = Promise.withResolvers<void>()
      parent.cloud!.faults.add({ route: 'data' }, { kind: 'hang', until: isPlanned })
      const arriving = parent.cloud!.nextRequest({ route: 'data' })
      const syncing = site.sync()
      await arriving
      next = change
      goOn()
      await syncing
      assert.equal(next, undefined)
      assert.equal(await site.tag(repository, 'late'), digestOf(late))
    }
  }
}
