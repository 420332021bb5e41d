import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { readBlob } from '../../contracts/blob-content.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openCloud, openParent, parentKinds } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'
const image = anImage({ seed: 'damaged', layers: 2 })
const layer = [...image.blobs.keys()].at(-1)!

for (const kind of parentKinds) {
  test(`${kind}: what was set aside comes anew in the next round, though nothing changed above`, async (t) => {
    const parent = await openParent(t, kind, [repository])
    if (!parent) return
    await parent.put(repository, image, '1.0')
    const site = await openSite(t, parent.connection, [repository])
    await site.sync()
    await site.sync()

    await site.blobs.quarantine(layer)
    assert.equal(await site.registry.blobs.stat(repository, layer), undefined)
    const round = await site.sync()

    assert.equal(round.result, 'Succeeded')
    assert.deepEqual([...site.blobs.quarantined], [])
    assert.deepEqual(Buffer.from((await readBlob(site.blobs, layer))!), Buffer.from(image.blobs.get(layer)!))
    assert.equal((await site.registry.blobs.stat(repository, layer))?.size, image.blobs.get(layer)?.length)
  })
}

async function aSiteInDamage(t: TestContext) {
  const { connection, cloud } = await openCloud(t, 'acr', [repository, 'plant/other'])
  for (const name of [repository, 'plant/other']) cloud.contents.put(name, image, '1.0')
  const site = await openSite(t, connection, [repository, 'plant/other'])
  await site.sync()
  await site.blobs.quarantine(layer)
  return { site, cloud }
}

test('what the parent cannot give is named, the rest of the round goes on, and a later one heals it', async (t) => {
  const { site, cloud } = await aSiteInDamage(t)
  cloud.faults.add({ route: 'blob', method: 'GET' }, { kind: 'answer', status: 404, body: '{}' })
  const fresh = anImage({ seed: 'fresh', layers: 0 })
  cloud.contents.put('plant/other', image, '2.0')

  const failed = await site.sync()

  assert.equal(failed.result, 'Failed')
  assert.deepEqual(site.codes(), ['NOT_FOUND'])
  assert.match(site.board.read().details[0]!.description, new RegExp(`^plant/app@${layer}, damaged: `))
  assert.equal(await site.tag('plant/other', '2.0'), image.manifest.descriptor.digest)
  assert.equal(site.blobs.quarantined.size, 1)

  cloud.faults.clear()
  cloud.contents.put(repository, fresh, 'later')
  assert.equal((await site.sync()).result, 'Succeeded')
  assert.equal(site.blobs.quarantined.size, 0)
})

test('it is asked for in another repository that holds it, where the first one lost it', async (t) => {
  const { site, cloud } = await aSiteInDamage(t)
  const path = new RegExp(`^/v2/${repository}/blobs/`)
  cloud.faults.add({ route: 'blob', method: 'GET', path }, { kind: 'answer', status: 404, body: '{}' })

  const round = await site.sync()

  assert.equal(round.result, 'Succeeded')
  assert.equal(site.blobs.quarantined.size, 0)
})

test('without a link it waits, and nothing else of the store is touched', async (t) => {
  const { site, cloud } = await aSiteInDamage(t)
  await cloud.stop()

  const round = await site.sync()

  assert.equal(round.result, 'Failed')
  assert.equal(site.blobs.quarantined.size, 1)
  assert.equal(await site.tag(repository, '1.0'), image.manifest.descriptor.digest)
})
