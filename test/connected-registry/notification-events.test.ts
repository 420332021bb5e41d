import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  eventsOf,
  type NotificationEvent,
  wholePushes
} from '../../modules/connected-registry/src/notification-events.ts'
import type { NotificationPattern } from '../../modules/connected-registry/src/protocol/notification-pattern.ts'
import type { Change, Origin, Registry } from '../../modules/connected-registry/src/registry/registry.ts'
import { anImage, type BuiltImage } from '../fixtures/image-builder.ts'
import { type OpenRegistry, openRegistry, pushBlobs } from './registry/open-registry.ts'
import { patterns } from './some-notifications.ts'

const ci = 'client:ci'
const image = anImage()
const { digest, mediaType, size } = image.manifest.descriptor

test('a push by tag is one event in the shape of those of ACR', async (t) => {
  const opened = await openRegistry(t, { now: () => new Date('2026-06-01T12:00:00Z') })

  await push(opened, image, { tag: '1.0' })

  const [event, ...more] = await eventsIn(opened.registry)
  assert.match(event!.id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual(event, {
    id: event!.id,
    timestamp: '2026-06-01T12:00:00.000Z',
    action: 'push',
    target: { mediaType, size, digest, length: size, repository: 'demo/app', tag: '1.0' },
    connectedregistry: { name: 'site1' }
  })
  assert.deepEqual(more, [])
})

test('every change of clients and of registries below is told once, and nothing that sync brings', async (t) => {
  let now = Date.parse('2026-06-01T12:00:00Z')
  const opened = await openRegistry(t, { now: () => new Date(now) })
  const { tags, manifests } = opened.registry

  await push(opened, image, {})
  // In one moment with the next it would be one push with it.
  now += 1
  await push(opened, image, { tag: 'a', moreTags: ['b'] })
  await push(opened, anImage({ seed: 'below' }), { tag: 'c', origin: 'child:layer4' })
  await push(opened, anImage({ seed: 'above' }), { tag: 'd', origin: 'parent' })
  await tags.put('demo/app', 'kept', digest, { origin: 'sync' })
  await tags.remove('demo/app', 'b', { origin: ci })
  await tags.remove('demo/app', 'kept', { origin: 'parent' })
  await manifests.remove('demo/app', digest, { origin: ci })

  const told = (await eventsIn(opened.registry)).map(({ action, target }) => [action, target.tag])
  assert.deepEqual(told, [
    ['push', undefined],
    ['push', 'a'],
    ['push', 'b'],
    ['push', 'c'],
    ['delete', 'b'],
    ['delete', 'a'],
    ['delete', undefined]
  ])
})

test('a pattern of digests is about manifests: who takes a tag away does nothing to one', async (t) => {
  const opened = await openRegistry(t)
  await push(opened, image, { tag: 'a' })
  await opened.registry.tags.remove('demo/app', 'a', { origin: ci })
  await opened.registry.manifests.remove('demo/app', digest, { origin: ci })

  const told = await eventsIn(opened.registry, patterns('*@*:delete'))

  assert.deepEqual(
    told.map(({ action, target }) => [action, target.digest, target.tag]),
    [['delete', digest, undefined]]
  )
})

test('an id is of one change of one store, whenever it is told', async (t) => {
  const opened = await openRegistry(t)
  await push(opened, image, { tag: 'a' })
  await push(opened, image, { tag: 'b' })

  const ids = async (store: string) => (await eventsIn(opened.registry, patterns('*:*'), store)).map(({ id }) => id)

  assert.deepEqual(await ids('one'), await ids('one'))
  assert.equal(new Set([...(await ids('one')), ...(await ids('two'))]).size, 4)
})

test('a push whose tag may be in the next page waits for it', async (t) => {
  const opened = await openRegistry(t)
  await push(opened, image, { tag: 'a' })
  const [pushed, tagged] = await opened.registry.changes.read(0, 10)

  assert.deepEqual(wholePushes([tagged!, pushed!], 2), [tagged])
  assert.deepEqual(wholePushes([tagged!, pushed!], 3), [tagged, pushed])
})

interface Pushed {
  readonly tag?: string
  readonly moreTags?: readonly string[]
  readonly origin?: Origin
}

async function push(opened: OpenRegistry, what: BuiltImage, { origin = ci, ...tags }: Pushed): Promise<void> {
  await pushBlobs(opened, 'demo/app', what)
  await opened.registry.manifests.put('demo/app', what.manifest, { origin, ...tags })
}

async function eventsIn(
  { changes }: Registry,
  wanted: readonly NotificationPattern[] = patterns('*:*'),
  storeId = 'store'
): Promise<readonly NotificationEvent[]> {
  const page: readonly Change[] = await changes.read(0, 100)
  return eventsOf(page, { patternsAt: () => wanted, storeId, name: 'site1' }).map(({ event }) => event)
}
