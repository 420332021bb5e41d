import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import type { CloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

const repositories = ['plant/a', 'plant/b', 'plant/c']
const [one, two] = [anImage({ seed: 'one' }), anImage({ seed: 'two' })]

function fill({ contents }: CloudRegistry): void {
  for (const name of repositories) for (const tag of ['1.0', 'latest']) contents.put(name, one, tag)
}

const asked = ({ requests }: CloudRegistry) => requests.map(({ method, url }) => `${method} ${url}`).sort()

test('acr: an idle round costs one request for each repository, and nothing else', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  fill(cloud)
  const site = await openSite(t, connection, repositories)
  await site.sync()
  cloud.clearRequests()

  await site.sync()

  assert.deepEqual(
    asked(cloud),
    repositories.map((name) => `GET /acr/v1/${name}`)
  )
})

test('acr: an idle round with an access token that is over renews it once for all', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', repositories, { now: () => now })
  fill(cloud)
  const site = await openSite(t, connection, repositories)
  await site.sync()
  now += 24 * 3_600_000
  cloud.clearRequests()

  const { result } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.deepEqual(
    cloud.requests.map(({ route, status }) => `${route} ${status}`),
    ['metadata 401', 'token 200', 'metadata 200', 'metadata 200', 'metadata 200']
  )
})

test('plain: a parent that may have no metadata is asked for its tags at the same time, and once', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', repositories)
  fill(cloud)
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  cloud.faults.add({ path: /^\/acr\/v1\/plant/ }, { kind: 'hang', until })
  const site = await openSite(t, connection, repositories)

  const running = site.sync()
  await cloud.nextRequest({ path: /tags\/list$/ }, AbortSignal.timeout(10_000))
  goOn()

  assert.equal((await running).result, 'Succeeded')
  const lists = cloud.requests.filter(({ route, status }) => route === 'tags' && status === 200)
  assert.deepEqual(
    lists.map(({ url }) => url),
    repositories.map((name) => `/v2/${name}/tags/list`)
  )
})

test('acr: an untag costs one list of tags, of that repository', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  fill(cloud)
  const site = await openSite(t, connection, repositories)
  await site.sync()
  cloud.contents.untag('plant/b', 'latest')
  cloud.clearRequests()

  await site.sync()

  assert.equal(await site.tag('plant/b', 'latest'), undefined)
  assert.deepEqual(asked(cloud), [
    'GET /acr/v1/plant/a',
    'GET /acr/v1/plant/b',
    'GET /acr/v1/plant/b/_tags?n=500',
    'GET /acr/v1/plant/c'
  ])
})

test('acr: of what came, only the newest entries are read', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'], { now: () => now })
  for (let each = 0; each < 300; each++) cloud.contents.put('plant/a', one, `1.${each}`)
  now += 3_600_000
  cloud.contents.put('plant/a', one, 'latest')
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  now += 3_600_000
  cloud.contents.put('plant/a', two, '1.7')
  cloud.clearRequests()

  const { artifacts } = await site.sync()

  assert.equal(artifacts, 1)
  assert.equal(await site.tag('plant/a', '1.7'), two.manifest.descriptor.digest)
  const lists = asked(cloud).filter((line) => line.includes('/acr/'))
  assert.deepEqual(lists, [
    'GET /acr/v1/plant/a',
    'GET /acr/v1/plant/a/_manifests?n=100&orderby=timedesc',
    'GET /acr/v1/plant/a/_tags?n=100&orderby=timedesc'
  ])
})

test('acr: a tag that went as another came is noticed', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'])
  fill(cloud)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  cloud.contents.untag('plant/a', '1.0')
  cloud.contents.put('plant/a', one, '2.0')

  const { removed } = await site.sync()

  assert.equal(removed, 1)
  assert.deepEqual(await site.registry.tags.list('plant/a', { limit: 10 }), ['2.0', 'latest'])
})

test('acr: more than a page of news is read to its end', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'], { now: () => now })
  fill(cloud)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  now += 3_600_000
  for (let each = 0; each < 250; each++) cloud.contents.put('plant/a', two, `2.${each}`)
  cloud.clearRequests()

  await site.sync()

  assert.equal((await site.registry.tags.list('plant/a', { limit: 1000 })).length, 252)
  const lists = asked(cloud).filter((line) => line.includes('_tags'))
  assert.ok(lists.length === 3 && lists.every((line) => line.includes('orderby=timedesc')), lists.join())
})

test('acr: a parent that lists by another order than was asked for is listed whole', async (t) => {
  let now = Date.now()
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'], { now: () => now, ignoresOrder: true })
  for (const tag of ['a', 'b', 'c']) cloud.contents.put('plant/a', one, tag)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  now += 3_600_000
  cloud.contents.put('plant/a', two)
  cloud.contents.tag('plant/a', 'b', two.manifest.descriptor.digest)

  await site.sync()

  assert.equal(await site.tag('plant/a', 'b'), two.manifest.descriptor.digest)
})

test('acr: a complete comparison asks for no referrers, which are among the manifests', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'])
  fill(cloud)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  cloud.clearRequests()

  await site.resync()

  assert.deepEqual(asked(cloud), [
    'GET /acr/v1/plant/a',
    'GET /acr/v1/plant/a/_manifests?n=500',
    'GET /acr/v1/plant/a/_tags?n=500'
  ])
})

test('plain: a tag that is new costs one request for its manifest, whatever else names it', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', repositories)
  cloud.contents.put('plant/a', one, 'latest')
  const site = await openSite(t, connection, ['plant/a'])
  cloud.contents.put('plant/a', two, '1.0')

  await site.sync()

  assert.equal(await site.tag('plant/a', 'latest'), one.manifest.descriptor.digest)
  assert.deepEqual(
    asked(cloud).filter((line) => line.includes('/manifests/') && !line.includes('/manifests/sha256-')),
    ['GET /v2/plant/a/manifests/1.0', 'GET /v2/plant/a/manifests/latest']
  )
})

test('plain: an idle round costs a list, and for each tag whether it still names the same', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', ['plant/a'])
  fill(cloud)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  cloud.clearRequests()

  await site.sync()

  assert.deepEqual(asked(cloud), [
    'GET /v2/plant/a/manifests/1.0',
    'GET /v2/plant/a/manifests/latest',
    'GET /v2/plant/a/tags/list'
  ])
  const statuses = cloud.requests.filter(({ route }) => route === 'manifest').map(({ status }) => status)
  assert.deepEqual(statuses, [304, 304])
})

test('plain: a tag that moved brings its manifest along', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', ['plant/a'])
  fill(cloud)
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  cloud.contents.put('plant/a', two, 'latest')
  cloud.clearRequests()

  await site.sync()

  assert.equal(await site.tag('plant/a', 'latest'), two.manifest.descriptor.digest)
  assert.deepEqual(
    asked(cloud).filter((line) => line.includes('/manifests/') && !line.includes('/manifests/sha256-')),
    ['GET /v2/plant/a/manifests/1.0', 'GET /v2/plant/a/manifests/latest']
  )
})

test('plain: a tag that moved to what is here already costs a look for its referrers', async (t) => {
  const { connection, cloud } = await openCloud(t, 'plain', ['plant/a'])
  fill(cloud)
  cloud.contents.put('plant/a', two, 'other')
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()
  cloud.contents.tag('plant/a', 'latest', two.manifest.descriptor.digest)
  cloud.clearRequests()

  const { bytes } = await site.sync()

  assert.equal(bytes, 0)
  assert.deepEqual(
    asked(cloud).filter((line) => !line.includes('/manifests/')),
    [`GET /v2/plant/a/referrers/${two.manifest.descriptor.digest}`, 'GET /v2/plant/a/tags/list']
  )
})
