import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { assertRest, openPair, repository } from './writing-site.ts'

const tags = Array.from({ length: 30 }, (_, at) => `1.${at}`)

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: of many changes the first goes up before the parent is asked for the last`, async (t) => {
    const { parent, site } = (await openPair(t, kind))!
    for (const tag of tags) await site.push(repository, anImage({ seed: tag }), tag)
    const cloud = parent.cloud!
    cloud.clearRequests()

    await site.sync()

    const firstSent = cloud.requests.findIndex(({ method }) => method === 'POST')
    assert.ok(firstSent >= 0 && firstSent < tags.length, `${firstSent} requests before anything was sent`)
    for (const tag of tags) assert.ok(await parent.tag(repository, tag))
    await assertRest(site)
  })
