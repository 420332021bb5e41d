import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readPlatform } from '../../../modules/connected-registry/src/registry/image-facts.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { openSite } from './garbage-site.ts'
import { type OpenRegistry, openRegistry, pushImage } from './open-registry.ts'

const day = (date: number) => `2026-01-0${date}T00:00:00.000Z`

/** The same of a repository, to a ten-millionth of a second. */
const dayOf = (date: number, change: number) => day(date).replace('Z', `${String(change).padStart(4, '0')}Z`)

/** A registry whose clock the test sets to a day of January. */
async function openAt(t: Parameters<typeof openRegistry>[0]): Promise<OpenRegistry & { on(date: number): void }> {
  let today = 1
  const open = await openRegistry(t, { now: () => new Date(day(today)) })
  const on = (date: number) => {
    today = date
  }
  return { ...open, on }
}

test('a repository says when it came, when something changed last, and how much is in it', async (t) => {
  const open = await openAt(t)
  const { metadata, tags } = open.registry
  await pushImage(open, 'app', anImage({ seed: 'a' }), 'v1')
  open.on(2)
  await pushImage(open, 'app', anImage({ seed: 'b' }), 'v2')
  await pushImage(open, 'app', anImage({ seed: 'b' }), 'latest')
  const before = await metadata.repository('app')
  open.on(3)
  await tags.remove('app', 'v1', { origin: 'client:ci' })
  const after = await metadata.repository('app')

  assert.deepEqual(before, { createdAt: day(1), updatedAt: dayOf(2, 5), tagCount: 3, manifestCount: 2 })
  assert.deepEqual(after, { createdAt: day(1), updatedAt: dayOf(3, 6), tagCount: 2, manifestCount: 2 })
  assert.equal(await metadata.repository('other'), undefined)
})

test('a repository tells two changes of one millisecond apart, so that a look between them does not hide the second', async (t) => {
  const open = await openAt(t)
  const { metadata, tags } = open.registry
  const [a, b] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  for (const image of [a, b]) await pushImage(open, 'app', image)
  const moveTo = async ({ manifest }: typeof a) => {
    await tags.put('app', 'latest', manifest.descriptor.digest, { origin: 'client:ci' })
    return (await metadata.repository('app'))!.updatedAt
  }
  await moveTo(a)

  const moved = [await moveTo(b), await moveTo(a)]

  assert.notEqual(moved[0], moved[1])
  assert.deepEqual(
    moved.map((time) => Date.parse(time)),
    [Date.parse(day(1)), Date.parse(day(1))]
  )
})

test('what is removed and comes again is new', async (t) => {
  const open = await openAt(t)
  await pushImage(open, 'app', anImage(), 'v1')
  await open.registry.metadata.repository('app')
  await open.registry.repositories.remove('app', 'client:ci')
  open.on(4)

  const gone = await open.registry.metadata.repository('app')
  await pushImage(open, 'app', anImage(), 'v1')

  assert.equal(gone, undefined)
  const attributes = await open.registry.metadata.repository('app')
  assert.deepEqual(attributes, { createdAt: day(4), updatedAt: dayOf(4, 6), tagCount: 1, manifestCount: 1 })
})

test('what the collector removed is no longer listed or counted', async (t) => {
  const site = await openSite(t)
  site.policy = { ...site.policy, untaggedAfterMs: 0 }
  const [kept, untagged] = [anImage({ seed: 'kept' }), anImage({ seed: 'untagged' })]
  await site.push('app', kept, 'v1')
  await site.push('app', untagged, 'v2')
  await site.untag('app', 'v2')
  const { metadata, changes } = site.registry
  const listed = async () => {
    const manifests = await metadata.manifests('app', { order: 'name', limit: 10 })
    return manifests.map(({ digest }) => digest)
  }
  const [before, repository, head] = [await listed(), await metadata.repository('app'), changes.head()]

  await site.collect()

  assert.deepEqual([before.length, repository?.manifestCount], [2, 2])
  assert.deepEqual(await listed(), [kept.manifest.descriptor.digest])
  assert.deepEqual(await metadata.repository('app'), { ...repository, manifestCount: 1 })
  assert.equal(changes.head(), head)
})

test('tags come by name or by time, a page at a time, and those of one manifest alone', async (t) => {
  const open = await openAt(t)
  const [a, b] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
  await pushImage(open, 'app', a, 'zebra')
  open.on(2)
  await pushImage(open, 'app', b, 'Alpha')
  await pushImage(open, 'app', b, 'beta')
  const { metadata } = open.registry
  const names = async (query: Partial<Parameters<typeof metadata.tags>[1]>) => {
    const found = await metadata.tags('app', { order: 'name', limit: 10, ...query })
    return found.map(({ name }) => name)
  }

  assert.deepEqual(await names({}), ['Alpha', 'beta', 'zebra'])
  assert.deepEqual(await names({ limit: 1 }), ['Alpha'])
  assert.deepEqual(await names({ after: 'Alpha', limit: 1 }), ['beta'])
  assert.deepEqual(await names({ after: 'Beta-gone' }), ['zebra'])
  assert.deepEqual(await names({ order: 'timedesc' }), ['Alpha', 'beta', 'zebra'])
  assert.deepEqual(await names({ order: 'timedesc', after: 'Alpha', limit: 1 }), ['beta'])
  assert.deepEqual(await names({ order: 'timeasc' }), ['zebra', 'Alpha', 'beta'])
  assert.deepEqual(await names({ digest: b.manifest.descriptor.digest }), ['Alpha', 'beta'])
})

test('a tag that moves keeps its first day and gets a new last one', async (t) => {
  const open = await openAt(t)
  await pushImage(open, 'app', anImage({ seed: 'a' }), 'v1')
  open.on(5)
  const next = anImage({ seed: 'b' })
  await pushImage(open, 'app', next, 'v1')

  const tag = await open.registry.metadata.tag('app', 'v1')

  const { digest } = next.manifest.descriptor
  assert.deepEqual(tag, { name: 'v1', digest, createdAt: day(1), updatedAt: day(5) })
  assert.deepEqual(await open.registry.metadata.tags('app', { order: 'name', limit: 10 }), [tag])
  assert.equal(await open.registry.metadata.tag('app', 'v2'), undefined)
})

test('an image says its size, its platform and its tags; an index has no size of its own', async (t) => {
  const open = await openAt(t)
  const image = anImage({ layers: 2, platform: { os: 'linux', architecture: 'arm64' } })
  const index = anIndex([image])
  await pushImage(open, 'app', index, 'v1')
  await open.registry.tags.put('app', 'arm', image.manifest.descriptor.digest, { origin: 'client:ci' })
  const size = [...image.blobs.values()].reduce((sum, bytes) => sum + bytes.length, 0)

  const found = await open.registry.metadata.manifest('app', image.manifest.descriptor.digest)
  const other = await open.registry.metadata.manifest('app', index.manifest.descriptor.digest)
  const listed = await open.registry.metadata.manifests('app', { order: 'name', limit: 10 })

  const configMediaType = 'application/vnd.oci.image.config.v1+json'
  assert.deepEqual(found?.image, { size, configMediaType, architecture: 'arm64', os: 'linux' })
  assert.deepEqual([found?.tags, found?.createdAt], [['arm'], day(1)])
  assert.deepEqual([other?.image, other?.tags], [undefined, ['v1']])
  assert.deepEqual(
    listed,
    [found, other].toSorted((one, two) => (one!.digest < two!.digest ? -1 : 1))
  )
})

test('an artifact has a size and no platform', async (t) => {
  const open = await openAt(t)
  const artifact = aReferrer(anImage(), { artifactType: 'application/vnd.example.sbom', content: 'four' })
  await pushImage(open, 'app', artifact)

  const { image } = (await open.registry.metadata.manifest('app', artifact.manifest.descriptor.digest))!

  assert.deepEqual(image, { size: 6, configMediaType: 'application/vnd.oci.empty.v1+json' })
})

test('no configuration makes the reader of platforms fail, and it takes nothing but words', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text))
      ),
      (config) => {
        for (const word of Object.values(readPlatform(config))) assert.equal(typeof word, 'string')
      }
    )
  )
  assert.deepEqual(readPlatform(Buffer.from('{"os":"linux","architecture":7}')), { os: 'linux' })
})

test('entries by time cover every tag exactly once, whatever the page size', async (t) => {
  const open = await openAt(t)
  const image = anImage()
  for (const [at, tag] of ['c', 'A', 'b', 'B', 'a'].entries()) {
    open.on(1 + (at % 3))
    await pushImage(open, 'app', image, tag)
  }

  for (const order of ['name', 'timeasc', 'timedesc'] as const) {
    for (const limit of [1, 2, 3, 5]) {
      const seen: string[] = []
      for (;;) {
        const page = await open.registry.metadata.tags('app', { order, limit, after: seen.at(-1) })
        if (page.length === 0) break
        seen.push(...page.map(({ name }) => name))
      }
      assert.deepEqual(seen.toSorted(), ['A', 'B', 'a', 'b', 'c'], `${order}, ${limit} a page`)
    }
  }
})
