import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anImage, anIndex, aReferrer, type BuiltImage } from '../../fixtures/image-builder.ts'
import { type Fault, serverError, throttled } from '../../simulators/cloud-registry/faults.ts'
import { createManualClock } from './manual-clock.ts'
import { openCloud, readRights, syncToken, writeRights } from './parents.ts'
import { openSite, type TestSiteOptions } from './site.ts'

const repository = 'plant/app'
const mode = 'ReadWrite'
const hourMs = 3_600_000
const digestOf = ({ manifest }: BuiltImage) => manifest.descriptor.digest
const [first, second, third] = ['first', 'second', 'third'].map((seed) => anImage({ seed })) as [
  BuiltImage,
  BuiltImage,
  BuiltImage
]

async function openPair(t: TestContext, rights = writeRights, options: TestSiteOptions = {}) {
  const { connection, cloud } = await openCloud(t, 'acr', [repository], { rights })
  cloud.contents.put(repository, first, 'v1')
  const site = await openSite(t, connection, [repository], { mode, ...options })
  await site.sync()
  return { cloud, connection, site }
}

const refusing = (status: number, code: string): Fault => {
  const body = JSON.stringify({ errors: [{ code, message: 'no' }] })
  return { kind: 'answer', status, headers: { 'content-type': 'application/json' }, body }
}
const actionsOn = (name: string) => writeRights.map((right) => `repositories/${name}/${right}`)
const tagPush = { method: 'PUT', path: /manifests\/v1$/ }

const table: readonly (readonly [what: string, status: number, code: string])[] = [
  ['a token that may not push', 403, 'DENIED'],
  ['a quota that is used up', 507, 'QUOTA_EXCEEDED'],
  ['content that is too large', 413, 'SIZE_INVALID'],
  ['an immutable tag', 409, 'TAG_IMMUTABLE'],
  ['a locked tag', 405, 'UNSUPPORTED'],
  ['a manifest that is not taken', 400, 'MANIFEST_INVALID']
]

for (const [what, status, code] of table)
  test(`${what} (${status}): told with repository, reference and code, asked once, and asked again when it changes`, async (t) => {
    const { cloud, site } = await openPair(t)
    const rule = cloud.faults.add(tagPush, refusing(status, code))
    await site.push(repository, second, 'v1')

    const rounds = [await site.sync(), await site.sync(), await site.sync()]

    assert.deepEqual(
      rounds.map(({ result }) => result),
      ['Succeeded', 'Succeeded', 'Succeeded']
    )
    assert.equal(rule.struck, 1)
    const [detail, ...others] = site.board.read().details
    assert.deepEqual(others, [])
    assert.deepEqual([detail?.type, detail?.code], ['Parent', 'CHANGE_REFUSED'])
    assert.match(detail?.description ?? '', new RegExp(`^plant/app:v1: .*${digestOf(second)}.* ${code}$`))
    assert.equal(site.board.read().connectionState, 'Unhealthy')
    assert.equal(await site.tag(repository, 'v1'), digestOf(second), 'nothing is lost here')

    await site.push(repository, third, 'v1')
    await site.sync()
    assert.equal(rule.struck, 2)
    rule.remove()
    await site.sync()
    assert.notEqual(
      cloud.contents.repository(repository)?.tags.get('v1')?.digest,
      digestOf(third),
      'nobody asked again'
    )
    await site.resync()
    assert.equal(cloud.contents.repository(repository)?.tags.get('v1')?.digest, digestOf(third))
    assert.deepEqual(site.codes(), [])
  })

test('what was refused is asked again after a day, without anybody on site: the disk above was full, and is no more', async (t) => {
  const clock = createManualClock('2024-05-01T12:00:00Z')
  const { cloud, site } = await openPair(t, writeRights, { clock })
  const rule = cloud.faults.add(tagPush, refusing(507, 'STORAGE_FULL'))
  await site.push(repository, second, 'v1')
  await site.sync()

  clock.advance(23 * hourMs)
  await site.sync()
  assert.equal(rule.struck, 1, 'not before')
  clock.advance(hourMs)
  await site.sync()
  await site.sync()
  assert.equal(rule.struck, 2, 'once a day')
  rule.remove()
  clock.set(new Date('2024-01-01T12:00:00Z'))
  await site.sync()

  assert.equal(cloud.contents.repository(repository)?.tags.get('v1')?.digest, digestOf(second))
  assert.deepEqual(site.codes(), [])
})

test('a change refused in a repository that left the scope is no trouble any more, and the repository none of those that are wanted', async (t) => {
  const { cloud, site } = await openPair(t)
  cloud.contents.put('plant/other', first, 'v1')
  cloud.tokens.set({ ...syncToken, actions: [...actionsOn(repository), ...actionsOn('plant/other')] })
  cloud.faults.add(tagPush, refusing(409, 'TAG_IMMUTABLE'))
  await site.push(repository, second, 'v1')
  await site.sync()
  assert.deepEqual(site.codes(), ['CHANGE_REFUSED'])

  await site.scope(['plant/other'])
  await site.sync()

  const { details, repositories } = site.board.read()
  assert.deepEqual([details, repositories.map(({ name }) => name)], [[], ['plant/other']])
  assert.equal(await site.tag(repository, 'v1'), digestOf(second))
})

test('a refused tag that the parent moves is a conflict, and nothing of it is lost', async (t) => {
  const { cloud, site } = await openPair(t)
  const rule = cloud.faults.add(tagPush, refusing(409, 'TAG_IMMUTABLE'))
  await site.push(repository, second, 'v1')
  await site.sync()

  cloud.contents.put(repository, third, 'v1')
  await site.sync()
  rule.remove()
  await site.sync()

  const tags = await site.registry.tags.list(repository, { limit: 10 })
  assert.equal(await site.tag(repository, 'v1'), digestOf(third))
  assert.deepEqual(site.codes(), ['TAG_CONFLICT'])
  assert.ok(tags.some((tag) => tag.startsWith('v1-conflict-')))
})

test('a token that may only read: everything pushed is refused, told, and stays here, after a restart too', async (t) => {
  const { cloud, connection, site } = await openPair(t, readRights)
  await site.push(repository, second, 'v1')
  await site.sync()
  cloud.clearRequests()
  await site.stop()

  const { blobs, records } = site
  const again = await openSite(t, connection, [repository], { mode, blobs, records })
  await again.sync()
  await again.sync()

  assert.deepEqual([...new Set(again.codes())], ['CHANGE_REFUSED'])
  assert.equal(await again.tag(repository, 'v1'), digestOf(second))
  assert.deepEqual(
    cloud.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    []
  )
})

test('who becomes ReadOnly with a change the parent refused keeps it under a tag of its own', async (t) => {
  const { cloud, site } = await openPair(t)
  cloud.faults.add({ method: 'PUT', route: 'manifest', path: /manifests\/v/ }, refusing(409, 'TAG_IMMUTABLE'))
  await site.push(repository, second, 'v1')
  await site.push(repository, third, 'v3')
  await site.sync()

  site.become('ReadOnly')
  await site.sync()
  await site.sync()

  const tags = await site.registry.tags.list(repository, { limit: 10 })
  const kept = tags.find((tag) => tag.startsWith('v1-conflict-'))
  assert.equal(await site.tag(repository, 'v1'), digestOf(first), 'the parent is right')
  assert.equal(await site.tag(repository, kept!), digestOf(second))
  assert.equal(await site.tag(repository, 'v3'), digestOf(third))
})

for (const [what, fault] of [
  ['fails', serverError(503)],
  ['asks for fewer requests', throttled(120)],
  ['cuts the connection', { kind: 'cut' } as Fault]
] as const)
  test(`a parent that ${what} has refused nothing: the change goes up in a later round`, async (t) => {
    const { cloud, site } = await openPair(t)
    const rule = cloud.faults.add({ method: 'PUT' }, fault)
    await site.push(repository, second, 'v1')

    const failed = await site.sync()
    const codes = site.codes()
    rule.remove()
    const { result } = await site.sync()

    assert.equal(failed.result, 'Failed')
    assert.ok(!codes.includes('CHANGE_REFUSED'))
    assert.equal(result, 'Succeeded')
    assert.equal(cloud.contents.repository(repository)?.tags.get('v1')?.digest, digestOf(second))
  })

test('an index that lacked a manifest goes up when that is pushed', async (t) => {
  const { cloud, site } = await openPair(t)
  const [one, other] = ['amd64', 'arm64'].map((architecture) => anImage({ seed: architecture })) as [
    BuiltImage,
    BuiltImage
  ]
  const index = anIndex([one, other])
  await site.push(repository, one)
  await site.push(repository, index, 'multi', true)
  await site.sync()
  const codes = site.codes()

  await site.push(repository, other)
  await site.sync()

  assert.deepEqual([...new Set(codes)], ['CHANGE_REFUSED'])
  assert.equal(cloud.contents.repository(repository)?.tags.get('multi')?.digest, digestOf(index))
  assert.deepEqual(site.codes(), [])
})

test('a refusal is told on while the link is down, with the time at which it was first told', async (t) => {
  const { cloud, site } = await openPair(t)
  cloud.faults.add(tagPush, refusing(409, 'TAG_IMMUTABLE'))
  await site.push(repository, second, 'v1')
  await site.sync()
  const [told] = site.board.read().details

  await cloud.stop()
  await site.sync()
  await site.sync()

  const again = site.board.read().details.find(({ code }) => code === 'CHANGE_REFUSED')
  assert.deepEqual(again, told)
})

test('a referrer that is refused does not hold up the image it is about', async (t) => {
  const { cloud, site } = await openPair(t)
  const signature = aReferrer(second, { artifactType: 'application/vnd.example.signature' })
  cloud.faults.add({ method: 'PUT', path: new RegExp(digestOf(signature)) }, refusing(400, 'MANIFEST_INVALID'))
  await site.push(repository, signature)
  await site.push(repository, second, 'v2')

  const { result } = await site.sync()

  assert.equal(result, 'Succeeded')
  assert.equal(cloud.contents.repository(repository)?.tags.get('v2')?.digest, digestOf(second))
  const [detail, ...others] = site.board.read().details
  assert.deepEqual(others, [])
  assert.match(detail?.description ?? '', new RegExp(`@${digestOf(signature)}: .*MANIFEST_INVALID`))
})
