import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { serverError } from '../../simulators/cloud-registry/faults.ts'
import { pushBlobs } from '../registry/open-registry.ts'
import { openCloud, syncToken } from './parents.ts'
import { openSite } from './site.ts'

const image = anImage()
const { digest } = image.manifest.descriptor

/** A token of ACR's that may list the catalog: an administrator's. */
async function openAdministered(t: Parameters<typeof openCloud>[0], repositories: readonly string[]) {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  const actions = repositories.flatMap((name) => [
    `repositories/${name}/content/read`,
    `repositories/${name}/metadata/read`
  ])
  cloud.tokens.set({ ...syncToken, actions, catalog: true })
  for (const name of repositories) cloud.contents.put(name, image, '1.0')
  return { connection, cloud }
}

test('a pattern brings the repositories below it, also those that come later', async (t) => {
  const { connection, cloud } = await openAdministered(t, ['plant/a', 'plant/b', 'office/c'])
  cloud.contents.deleteRepository('plant/b')
  const site = await openSite(t, connection, ['plant/*'])
  await site.sync()
  cloud.contents.put('plant/b', image, '2.0')

  const { result } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.deepEqual(await site.registry.repositories.list({ limit: 10 }), ['plant/a', 'plant/b'])
})

test('a repository that the catalog shows no more stays, a detail says so, and it goes on when it is back', async (t) => {
  const { connection, cloud } = await openAdministered(t, ['plant/a', 'plant/b'])
  const site = await openSite(t, connection, ['plant/*'])
  await site.sync()
  cloud.contents.deleteRepository('plant/b')

  const { result } = await site.sync()

  assert.equal(result, 'Failed')
  assert.deepEqual(site.codes(), ['NAME_UNKNOWN'])
  assert.match(site.board.read().details[0]?.description ?? '', /^plant\/b: /)
  assert.equal(await site.tag('plant/b', '1.0'), digest)

  cloud.contents.put('plant/b', image, '2.0')
  cloud.contents.put('plant/b', image, '1.0')
  assert.equal((await site.sync()).result, 'Succeeded')
  assert.deepEqual(site.codes(), [])
  assert.equal(await site.tag('plant/b', '2.0'), digest)
})

test('a repository into which clients have only begun to push is not asked for above', async (t) => {
  const { connection, cloud } = await openAdministered(t, ['plant/a'])
  const site = await openSite(t, connection, ['plant/*'])
  await pushBlobs(site, 'plant/empty', anImage({ seed: 'not complete' }))
  await site.sync()
  const asked = cloud.requests.length

  await site.sync()

  const about = cloud.requests.slice(asked).filter(({ repository }) => repository === 'plant/empty')
  assert.deepEqual(about, [])
})

test('a catalog that is refused names the pattern, and the names go on', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a', 'office/c'])
  for (const name of ['plant/a', 'office/c']) cloud.contents.put(name, image, '1.0')
  const site = await openSite(t, connection, ['plant/*', 'office/c'])

  const { result } = await site.sync()

  const { connectionState, details } = site.board.read()
  assert.deepEqual([result, connectionState], ['Failed', 'Unhealthy'])
  assert.deepEqual(
    details.map(({ type, code }) => [type, code]),
    [['Scope', 'SCOPE_UNKNOWN']]
  )
  assert.match(details[0]?.description ?? '', /plant\/\*/)
  assert.deepEqual(await site.registry.repositories.list({ limit: 10 }), ['office/c'])
})

test('what a pattern brought before goes on when the catalog is refused', async (t) => {
  const { connection, cloud } = await openAdministered(t, ['plant/a'])
  const site = await openSite(t, connection, ['plant/*'])
  await site.sync()
  cloud.contents.put('plant/a', image, '2.0')
  cloud.faults.add({ route: 'catalog' }, serverError(500))

  await site.sync()

  assert.equal(await site.tag('plant/a', '2.0'), digest)
  assert.deepEqual(site.codes(), ['SCOPE_UNKNOWN'])
})

test('a parent that never answers for its catalog is not said to be reached', async (t) => {
  const dispatcher = { timeouts: { headersMs: 100 }, retry: { retries: 0 } }
  const { connection, cloud } = await openAdministered(t, ['plant/a'])
  const site = await openSite(t, connection, ['plant/*'], { dispatcher })
  cloud.faults.add({ server: 'login' }, { kind: 'hang' })

  await site.sync()

  assert.equal(site.board.read().connectionState, 'Offline')
  assert.deepEqual(site.codes(), ['SCOPE_UNKNOWN'])
})

test('a pattern under which there is nothing is no trouble', async (t) => {
  const { connection } = await openAdministered(t, ['plant/a'])
  const site = await openSite(t, connection, ['office/*'])

  const { result } = await site.sync()

  assert.deepEqual([result, site.board.read().connectionState], ['Succeeded', 'Online'])
})

test('a repository that leaves the scope goes, also while the parent is down', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a', 'plant/b'])
  for (const name of ['plant/a', 'plant/b']) cloud.contents.put(name, image, '1.0')
  const site = await openSite(t, connection, ['plant/a', 'plant/b'])
  await site.sync()
  await cloud.stop()

  await site.scope(['plant/a'])
  await site.sync()

  assert.deepEqual(await site.registry.repositories.list({ limit: 10 }), ['plant/a'])
  assert.deepEqual(
    site.board.read().repositories.map(({ name }) => name),
    ['plant/a']
  )
  assert.deepEqual(await site.bases.read('plant/b', cloud.loginServer), new Map())
  assert.equal(await site.bases.looked('plant/b'), undefined)
})

test('a repository that leaves the scope and comes back is whole again', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a', 'plant/b'])
  for (const name of ['plant/a', 'plant/b']) cloud.contents.put(name, image, '1.0')
  const site = await openSite(t, connection, ['plant/a', 'plant/b'])
  await site.sync()

  await site.scope(['plant/a'])
  await site.scope(['plant/a', 'plant/b'])
  await site.sync()

  assert.equal(await site.tag('plant/b', '1.0'), digest)
})

test('where no repository is named at all, nothing is removed and nothing is synced', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/a'])
  cloud.contents.put('plant/a', image, '1.0')
  const site = await openSite(t, connection, ['plant/a'])
  await site.sync()

  await site.scope([])
  cloud.clearRequests()

  assert.equal(await site.engine.sync(), undefined)
  assert.deepEqual(cloud.requests, [])
  assert.equal(await site.tag('plant/a', '1.0'), digest)
})
