import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { openParent, parentKinds, writeRights } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const child = anImage({ seed: 'child' })
const index = anIndex([child, anImage({ seed: 'other' })])
const { digest } = child.manifest.descriptor

for (const kind of parentKinds) {
  test(`${kind}: an index that lost a manifest to a client is brought whole before another tag names it`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    await parent.put(repository, index, 'v1')
    const site = await openSite(t, parent.connection, [repository], { mode: 'ReadWrite' })
    await site.sync()
    await site.registry.manifests.remove(repository, digest, { origin: 'client:line-1' })
    await parent.put(repository, index, 'v2')

    await site.resync()

    assert.equal(await site.tag(repository, 'v2'), index.manifest.descriptor.digest)
    assert.equal(await site.holds(repository, digest), true)
  })
  test(`${kind}: an index that lacks on both sides what a client removed is agreed on as it is`, async (t) => {
    const parent = await openParent(t, kind, [repository], { rights: writeRights })
    if (!parent) return
    const lost = anImage({ seed: 'lost' })
    const known = anIndex([...(index.children ?? []), lost])
    await parent.put(repository, known, 'v1')
    const site = await openSite(t, parent.connection, [repository], { mode: 'ReadWrite' })
    await site.sync()
    await site.registry.manifests.remove(repository, digest, { origin: 'client:line-1' })
    await site.sync()
    assert.equal(await parent.holds(repository, digest), false)

    await site.registry.tags.remove(repository, 'v1', { origin: 'client:line-1' })
    await site.registry.manifests.remove(repository, lost.manifest.descriptor.digest, { origin: 'parent' })
    await site.push(repository, known, 'v1', true)
    const { result } = await site.sync()

    assert.deepEqual([result, site.codes(), site.board.read().pendingUp?.references], ['Succeeded', [], 0])
    assert.equal(await site.tag(repository, 'v1'), known.manifest.descriptor.digest)
    assert.equal(await site.holds(repository, lost.manifest.descriptor.digest), true, 'what the parent has of it came')
  })
  test(`${kind}: a site that became ReadOnly brings what a client removed from an index before`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    await parent.put(repository, index, 'v1')
    const before = await openSite(t, parent.connection, [repository], { mode: 'ReadWrite' })
    await before.sync()
    await before.registry.manifests.remove(repository, digest, { origin: 'client:line-1' })
    await before.stop()
    const { blobs, records } = before
    const site = await openSite(t, parent.connection, [repository], { mode: 'ReadOnly', blobs, records })

    await site.resync()

    assert.equal(await site.holds(repository, digest), true)
  })
}
