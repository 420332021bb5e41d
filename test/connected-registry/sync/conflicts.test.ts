import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { parentKinds } from './parents.ts'
import { assertRest, client, digestOf, openPair, repository, second, third } from './writing-site.ts'

for (const kind of parentKinds) {
  test(`${kind}: of two edits of one tag the parent's wins, and the other is kept on both sides`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v1')
    await parent.put(repository, third, 'v1')

    await site.sync()
    const { result } = await site.sync()

    const kept = `v1-conflict-${parent.connection.registryName}-${digestOf(second).slice(7, 19)}`
    assert.equal(result, 'Succeeded')
    for (const where of [site, parent]) {
      assert.equal(await where.tag(repository, 'v1'), digestOf(third))
      assert.equal(await where.tag(repository, kept), digestOf(second))
    }
    const [detail] = site.board.read().details
    assert.equal(detail?.code, 'TAG_CONFLICT')
    assert.match(detail?.description ?? '', new RegExp(`plant/app:v1.*${kept}`))
    const changes = await site.registry.changes.read(0, 100)
    assert.ok(changes.some(({ tag, origin }) => tag === kept && origin === 'sync'))
    await assertRest(site)
  })

  test(`${kind}: a conflict is over when somebody removes the tag that kept the other`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v1')
    await parent.put(repository, third, 'v1')
    await site.sync()
    await site.sync()

    await parent.remove(repository, digestOf(second))
    await site.sync()
    await site.sync()

    assert.deepEqual(site.codes(), [])
    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['v1'])
  })

  test(`${kind}: an edit beats a delete, on either side`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await parent.put(repository, second, 'gone-above')
    await parent.put(repository, anImage({ seed: 'kept' }), 'kept')
    await site.sync()

    await site.push(repository, third, 'gone-above')
    await parent.remove(repository, digestOf(second))
    await site.registry.tags.remove(repository, 'v1', client)
    await parent.put(repository, third, 'v1')
    await site.sync()
    await site.sync()

    for (const where of [site, parent]) {
      assert.equal(await where.tag(repository, 'gone-above'), digestOf(third))
      assert.equal(await where.tag(repository, 'v1'), digestOf(third))
    }
    await assertRest(site)
  })

  test(`${kind}: who becomes ReadOnly first pushes up what is not above, and then follows the parent`, async (t) => {
    const pair = await openPair(t, kind)
    if (!pair) return
    const { parent, site } = pair
    await site.push(repository, second, 'v1')
    await site.push(repository, third, 'v3')
    await parent.put(repository, third, 'v1')

    site.become('ReadOnly')
    await site.sync()
    await site.sync()

    const kept = `v1-conflict-${parent.connection.registryName}-${digestOf(second).slice(7, 19)}`
    assert.equal(await parent.tag(repository, 'v3'), digestOf(third))
    assert.equal(await site.tag(repository, 'v1'), digestOf(third))
    assert.equal(await parent.tag(repository, kept), digestOf(second))
    await assertRest(site)
  })
}

for (const kind of ['acr', 'plain'] as const) {
  test(`${kind}: a tag that moves above while its image goes up is seen before it is moved`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    const cloud = parent.cloud!
    await site.push(repository, second, 'v1')
    const { promise: moved, resolve } = Promise.withResolvers<void>()
    const push = { method: 'PUT', path: /manifests\/sha256/ }
    cloud.faults.add(push, { kind: 'hang', until: moved }, { times: 1 })

    const pushing = cloud.nextRequest(push, t.signal)
    const round = site.sync()
    await pushing
    cloud.contents.put(repository, third, 'v1')
    resolve()
    await round
    await site.sync()

    const kept = `v1-conflict-${parent.connection.registryName}-${digestOf(second).slice(7, 19)}`
    assert.equal(await parent.tag(repository, 'v1'), digestOf(third))
    assert.equal(await parent.tag(repository, kept), digestOf(second))
  })
}
