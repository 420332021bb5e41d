import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anIndex } from '../../fixtures/image-builder.ts'
import { assertRest, client, digestOf, openPair, repository, second, third } from './writing-site.ts'

for (const kind of ['acr', 'plain'] as const) {
  test(`${kind}: what a site kept when its repository began anew above follows the parent again once that has it`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    await parent.put(repository, third, 'v2')
    await site.sync()
    await parent.loseStore()
    await site.push(repository, second, 'new')
    for (let round = 0; round < 2; round++) await site.resync()
    await parent.put(repository, second, 'v1')
    await parent.put(repository, third, 'v2')
    await site.sync()
    await parent.put(repository, second, 'v2')

    await site.sync()

    for (const tag of ['v1', 'v2']) assert.equal(await site.tag(repository, tag), digestOf(second))
    await assertRest(site)
  })

  test(`${kind}: a tag on an index that lost a manifest above brings that manifest back there`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    const index = anIndex([second, third])
    await parent.put(repository, index, 'v2')
    await site.sync()
    await parent.remove(repository, digestOf(third))
    await site.sync()
    await site.registry.tags.put(repository, 'wanted', digestOf(index), client)

    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.equal(await parent.tag(repository, 'wanted'), digestOf(index))
    assert.ok(await parent.holds(repository, digestOf(third)))
    assert.deepEqual(site.codes(), [])
    await assertRest(site)
  })
}
