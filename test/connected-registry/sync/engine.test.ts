import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Digest, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { anImage, type BuiltImage } from '../../fixtures/image-builder.ts'
import { createManualClock } from './manual-clock.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

const [first, second] = ['plant/a', 'plant/b'] as const
const repositories = [first, second] as const
const [one, two] = [anImage({ seed: 'one' }), anImage({ seed: 'two' })]
const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const layerOf = (image: BuiltImage) => [...image.blobs.keys()].at(-1)!
const bytesOf = (digest: Digest) => ({ route: 'data', path: new RegExp(hexOf(digest)) }) as const

test('a process that ends in the middle leaves nothing half visible, and the next one completes it', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  cloud.contents.put(first, one, 'latest')
  cloud.contents.put(second, two, 'latest')
  cloud.faults.add(bytesOf(layerOf(two)), { kind: 'hang', afterBytes: 100 })
  const site = await openSite(t, connection, repositories)
  const hanging = cloud.nextRequest(bytesOf(layerOf(two)))
  const running = site.sync()
  await hanging

  await site.stop()

  assert.equal((await running).result, 'Aborted')
  assert.equal(await site.tag(first, 'latest'), digestOf(one))
  assert.equal(await site.holds(second, digestOf(two)), false)
  assert.equal(await site.blobs.stat(layerOf(two)), undefined)

  cloud.faults.clear()
  const { blobs, records } = site
  const next = await openSite(t, connection, repositories, { blobs, records })
  await next.sync()

  assert.equal(await next.tag(second, 'latest'), digestOf(two))
  assert.equal((await next.sync()).artifacts, 0)
})

test('who asks while an iteration runs gets that one; a complete comparison is another one', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [first])
  cloud.contents.put(first, one, 'latest')
  const site = await openSite(t, connection, [first])
  await site.sync()
  cloud.clearRequests()

  const [a, b, complete, again] = await Promise.all([site.sync(), site.sync(), site.resync(), site.resync()])

  assert.equal(a.correlationId, b.correlationId)
  assert.notEqual(complete.correlationId, a.correlationId)
  assert.equal(again.correlationId, complete.correlationId)
  assert.equal(cloud.requests.filter(({ url }) => url === `/acr/v1/${first}`).length, 2)
})

test('the first round compares everything, and is all the same no answer to who wants what was refused asked again', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [first])
  cloud.contents.put(first, one, 'latest')
  const site = await openSite(t, connection, [first])

  const [round, complete] = await Promise.all([site.sync(), site.resync()])

  assert.notEqual(complete.correlationId, round.correlationId)
})

test('the same settings again leave a running iteration alone; others cut it and begin anew', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  cloud.contents.put(first, one, 'latest')
  cloud.contents.put(second, two, 'latest')
  const site = await openSite(t, connection, [first])
  const wish = site.wish([first])
  site.engine.apply(wish)
  const { promise: until, resolve: goOn } = Promise.withResolvers<void>()
  cloud.faults.add(bytesOf(layerOf(one)), { kind: 'hang', until }, { times: 1 })
  const hanging = cloud.nextRequest(bytesOf(layerOf(one)))
  const running = site.sync()
  await hanging

  site.engine.apply({ ...wish, patterns: [...wish.patterns] })
  goOn()
  assert.equal((await running).result, 'Succeeded')

  cloud.faults.add(bytesOf(layerOf(two)), { kind: 'hang', afterBytes: 0 }, { times: 1 })
  await site.scope(repositories)
  const hangingAgain = cloud.nextRequest(bytesOf(layerOf(two)))
  const cut = site.sync()
  await hangingAgain
  await site.scope([second])
  const after = await site.sync()

  assert.equal((await cut).result, 'Aborted')
  assert.equal(after.result, 'Succeeded', 'who asks after new settings gets an iteration of these')
  assert.equal(await site.registry.repositories.has(first), false)
  assert.equal(await site.tag(second, 'latest'), digestOf(two))
})

test('new settings are followed by a complete comparison, also where they cut one', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  for (const name of repositories) cloud.contents.put(name, one, 'latest')
  const site = await openSite(t, connection, repositories)
  await site.sync()
  const hang = cloud.faults.add({ route: 'metadata' }, { kind: 'hang' })
  const hanging = cloud.nextRequest({ route: 'metadata' })
  const cut = site.sync()
  await hanging
  await site.scope([first])
  hang.remove()
  await cut
  cloud.clearRequests()

  await site.sync()

  assert.ok(cloud.requests.some(({ url }) => url.includes('_manifests')))
})

test('of a part only that is looked at, with what is in trouble, and of the whole where that may be anywhere', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  for (const name of repositories) cloud.contents.put(name, one, 'latest')
  // In its window, with a clock by which no iteration begins of its own accord.
  const clock = createManualClock('2024-01-01T00:30:00Z')
  const site = await openSite(t, connection, repositories, { clock })
  const part = () => site.engine.sync({ only: new Set([second, 'out/of-scope']) })
  assert.equal((await part())?.artifacts, 2)

  for (const name of repositories) cloud.contents.put(name, two, 'latest')
  await part()
  assert.equal(await site.tag(first, 'latest'), digestOf(one))
  assert.equal(await site.tag(second, 'latest'), digestOf(two))

  cloud.faults.add({ route: 'metadata' }, { kind: 'answer', status: 500 })
  assert.equal((await part())?.result, 'Failed')
  cloud.faults.clear()
  cloud.contents.put(second, one, 'latest')
  assert.equal((await site.engine.sync({ only: new Set(['out/of-scope']) }))?.result, 'Succeeded')
  assert.equal(await site.tag(second, 'latest'), digestOf(one))
  assert.equal(await site.tag(first, 'latest'), digestOf(one))

  const { blobs, records } = site
  const unlisted = await openSite(t, connection, [...repositories, 'plant/*'], { clock, blobs, records })
  await unlisted.sync()
  assert.deepEqual(unlisted.codes(), ['SCOPE_UNKNOWN'])
  cloud.contents.put(first, one, 'latest')
  await unlisted.engine.sync({ only: new Set([second]) })
  assert.equal(await unlisted.tag(first, 'latest'), digestOf(one))
})

test('a repository that the parent does not know makes no round of a part one of the whole scope', async (t) => {
  const names = [...repositories, 'plant/c']
  const { connection, cloud } = await openCloud(t, 'acr', names)
  for (const name of repositories) cloud.contents.put(name, one, 'latest')
  const clock = createManualClock('2024-01-01T00:30:00Z')
  const site = await openSite(t, connection, names, { clock })
  assert.deepEqual([(await site.sync()).result, site.codes()], ['Failed', ['NAME_UNKNOWN']])

  cloud.clearRequests()
  cloud.contents.put(first, two, 'latest')
  const round = await site.engine.sync({ only: new Set([first]) })

  assert.deepEqual([round?.result, site.codes()], ['Failed', ['NAME_UNKNOWN']])
  assert.equal(await site.tag(first, 'latest'), digestOf(two))
  assert.equal(cloud.requests.filter(({ url }) => url.startsWith(`/acr/v1/${second}`)).length, 0)
})

test('the store is told of a round that has something to do while content comes, and of no other', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [first])
  cloud.contents.put(first, one, 'latest')
  let woken = 0
  const records = { ...createMemoryRecordStore(), wake: () => void woken++ }
  const site = await openSite(t, connection, [first], { records })

  const coming = cloud.nextRequest(bytesOf(layerOf(one)))
  const running = site.sync()
  await coming
  assert.equal(woken, 1)
  await running
  await site.sync()

  assert.equal(woken, 1)
})
