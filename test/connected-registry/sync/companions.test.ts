import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage, anIndex, type BuiltImage } from '../../fixtures/image-builder.ts'
import { serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'
import { digestOf, first, repository, second, third } from './writing-site.ts'

const versionOne = [[repository, { tags: { semver: '1' } }]] as const
const signatureTag = (image: BuiltImage) => `${digestOf(image).replace(':', '-')}.sig`
const signature = anImage({ seed: 'signature', artifactType: 'application/vnd.example' })
const tagsOf = { limit: 10 }

test('a signature stays here while the tag of its image cannot be read above', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', [repository])
  cloud.contents.put(repository, first, '1.0.0')
  cloud.contents.put(repository, second, '1.1.0')
  cloud.contents.put(repository, signature, signatureTag(first))
  const site = await openSite(t, connection, versionOne)
  await site.sync()
  cloud.faults.add({ path: /manifests\/1\.0\.0$/ }, serverError(500))

  const { result, removed } = await site.sync()

  assert.deepEqual([result, removed], ['Failed', 0])
  assert.deepEqual(await site.registry.tags.list(repository, tagsOf), ['1.0.0', '1.1.0', signatureTag(first)])
})

test('a signature of what is below an image, which cannot be read in the round that brings that, is told of', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', [repository])
  cloud.contents.put(repository, anIndex([first, second]), '1.0.0')
  cloud.contents.put(repository, signature, signatureTag(second))
  const rule = cloud.faults.add({ path: /manifests\/sha256-/ }, serverError(500))
  const site = await openSite(t, connection, versionOne)

  const { result } = await site.sync()

  assert.deepEqual([result, site.codes()], ['Failed', ['SERVER_ERROR']])
  rule.remove()
  assert.equal((await site.sync()).result, 'Succeeded')
  assert.deepEqual(await site.registry.tags.list(repository, tagsOf), ['1.0.0', signatureTag(second)])
})

for (const kind of ['acr', 'plain'] as const)
  test(`${kind}: a signature stays here as long as its image does, whose successor does not come`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    cloud.contents.put(repository, first, '1.0.0')
    cloud.contents.put(repository, second, '1.1.0')
    for (const image of [first, second]) cloud.contents.put(repository, signature, signatureTag(image))
    const site = await openSite(t, connection, versionOne)
    await site.sync()
    cloud.contents.put(repository, third, '1.0.0')
    cloud.contents.untag(repository, '1.1.0')
    const rule = cloud.faults.add({ route: 'data' }, { kind: 'wrong-bytes' })

    const { result, removed } = await site.sync()

    assert.deepEqual([result, removed], ['Failed', 2], 'one image has gone, with its signature')
    assert.equal(await site.tag(repository, '1.0.0'), digestOf(first))
    assert.deepEqual(await site.registry.tags.list(repository, tagsOf), ['1.0.0', signatureTag(first)])

    rule.remove()
    await site.sync()

    assert.deepEqual(await site.registry.tags.list(repository, tagsOf), ['1.0.0'])
    assert.equal(await site.tag(repository, '1.0.0'), digestOf(third))
  })

test('a signature takes no place among the newest: it comes with its image', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', [repository], { now: () => (now += 1000) })
  const images = Object.entries({ '1.0': first, '1.1': second, '1.2': third })
  for (const [tag, image] of images) {
    cloud.contents.put(repository, image, tag)
    cloud.contents.put(repository, signature, signatureTag(image))
  }
  const newestOf = (newest: number) => [[repository, { tags: { newest } }]] as const
  const site = await openSite(t, connection, newestOf(2))
  await site.sync()
  const expected = ['1.1', '1.2', signatureTag(second), signatureTag(third)].sort()
  assert.deepEqual(await site.registry.tags.list(repository, tagsOf), expected)

  cloud.contents.put(repository, anImage({ seed: 'another' }), signatureTag(first))
  await site.scope(newestOf(1))
  await site.sync()

  assert.deepEqual(await site.registry.tags.list(repository, tagsOf), ['1.2', signatureTag(third)])
})
