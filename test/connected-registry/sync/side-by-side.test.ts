import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openCloud, parentKinds } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/a'
const images = Array.from({ length: 20 }, (_, each) => anImage({ seed: `image ${each}`, layerSize: 10 }))
const digests = images.map(({ manifest }) => manifest.descriptor.digest)
// By digest where lists name them, else by tag.
const whole = { route: 'manifest', method: 'GET', path: /manifests\/(?:sha256:|1\.)/ } as const

for (const kind of parentKinds.filter((each) => each !== 'docker-registry')) {
  test(`${kind}: twenty references are on their way at once`, async (t) => {
    const { connection, cloud } = await openCloud(t, kind, [repository])
    for (const [each, image] of images.entries()) cloud.contents.put(repository, image, `1.${each}`)
    const site = await openSite(t, connection, [repository])
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
    cloud.faults.add(whole, { kind: 'hang', until })
    const asked = () =>
      cloud.requests.filter(
        ({ route, method, url }) => route === 'manifest' && method === 'GET' && whole.path.test(url)
      )

    const running = site.sync()
    const patience = AbortSignal.timeout(60_000)
    while (asked().length < images.length) await cloud.nextRequest(whole, patience)
    goOn()
    const { result, artifacts } = await running

    assert.deepEqual([result, artifacts], ['Succeeded', images.length])
    const tags = await Promise.all(images.map((_, each) => site.tag(repository, `1.${each}`)))
    assert.deepEqual(tags, digests)
    assert.equal(new Set(asked().map(({ url }) => url)).size, asked().length, 'each manifest is asked for once')
  })
}

test('the store gets ready while the manifest of what changed is on its way, and not where nothing did', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  cloud.contents.put(repository, images[0]!, 'latest')
  const woken: number[] = []
  const fetched = () => cloud.requests.filter(({ route, method }) => route === 'manifest' && method === 'GET').length
  const blobs = { ...createMemoryBlobStore(), wake: () => void woken.push(fetched()) }
  const site = await openSite(t, connection, [repository], { blobs })

  await site.sync()
  assert.equal(woken.splice(0).length, 1)
  const before = fetched()

  await site.sync()
  assert.deepEqual(woken, [])
  cloud.contents.put(repository, images[1]!, 'latest')
  await site.sync()

  assert.deepEqual(woken, [before])
  assert.equal(fetched(), before + 1)
})

test('referrers of what has just arrived are asked for once in a round', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', [repository])
  for (const [each, image] of images.entries()) cloud.contents.put(repository, image, `1.${each}`)
  const site = await openSite(t, connection, [repository])
  // What came more than a second ago is asked for anew: here no time passes, however slow the machine is.
  t.mock.method(performance, 'now', () => 0)

  await site.sync()

  assert.equal(cloud.requests.filter(({ route }) => route === 'referrers').length, images.length)
})

test('the first repository tells whether there is a link, and the next ones are looked at side by side', async (t) => {
  const names = ['plant/a', 'plant/b', 'plant/c', 'plant/d', 'plant/e']
  const { connection, cloud } = await openCloud(t, 'acr', names)
  for (const [each, name] of names.entries()) cloud.contents.put(name, images[each]!, 'latest')
  const site = await openSite(t, connection, names)
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  const looks = { route: 'metadata', path: /plant\/[b-e]$/ } as const
  cloud.faults.add(looks, { kind: 'hang', until })
  const asked = () => new Set(cloud.requests.filter(({ url }) => /^\/acr\/v1\/[^_]*$/.test(url)).map(({ url }) => url))

  const running = site.sync()
  const patience = AbortSignal.timeout(60_000)
  while (asked().size < names.length) await cloud.nextRequest(looks, patience)
  const first = await site.tag('plant/a', 'latest')
  goOn()

  assert.equal((await running).result, 'Succeeded')
  assert.equal(first, digests[0], 'it was in agreement before')
  const tags = await Promise.all(names.map((name) => site.tag(name, 'latest')))
  assert.deepEqual(tags, digests.slice(0, names.length))
})
