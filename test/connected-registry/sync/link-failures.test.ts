import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, type BuiltImage } from '../../fixtures/image-builder.ts'
import { type Fault, serverError, throttled } from '../../simulators/cloud-registry/faults.ts'
import { openCloud, syncToken } from './parents.ts'
import { openSite, type TestSite, type TestSiteOptions } from './site.ts'

const repositories = ['plant/a', 'plant/b', 'plant/c'] as const
const [first, second, third] = repositories
const [before, after] = [anImage({ seed: 'before' }), anImage({ seed: 'after' })]
const digestOf = (image: BuiltImage) => image.manifest.descriptor.digest
const layerOf = (image: BuiltImage) => [...image.blobs.keys()].at(-1)!
const state = (site: TestSite) => site.board.read().connectionState

/** An ACR with an image in each repository, and a site below it. */
async function openFilled(t: TestContext, { scope = repositories, ...options }: FilledOptions = {}) {
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  const push = (image: BuiltImage) => {
    for (const name of repositories) cloud.contents.put(name, image, 'latest')
  }
  push(before)
  const site = await openSite(t, connection, scope, options)
  const tags = () => Promise.all(repositories.map((name) => site.tag(name, 'latest')))
  return { cloud, site, push, tags }
}

interface FilledOptions extends TestSiteOptions {
  readonly scope?: readonly string[]
}

const answers: readonly (readonly [about: string, fault: Fault, code: string])[] = [
  ['fails', serverError(503), 'SERVER_ERROR'],
  ['asks for fewer requests', throttled(3600), 'THROTTLED'],
  ['denies access', { kind: 'answer', status: 403 }, 'DENIED'],
  ['answers nonsense', { kind: 'answer', status: 418 }, 'BAD_ANSWER']
]

for (const [about, fault, code] of answers)
  test(`where the parent ${about} for one repository, the others go on, and the site says why`, async (t) => {
    const { cloud, site, push, tags } = await openFilled(t)
    await site.sync()
    push(after)
    cloud.faults.add({ repository: second }, fault)

    const { result } = await site.sync()

    assert.deepEqual([result, state(site)], ['Failed', 'Unhealthy'])
    assert.deepEqual(await tags(), [after, before, after].map(digestOf))
    const details = site.board.read().details.map(({ type, description }) => `${type} ${description.split(':')[0]}`)
    assert.deepEqual([details, site.codes()], [[`Parent ${second}`], [code]])
    assert.ok(site.board.repository(second).problem)
    assert.equal(site.board.repository(third).problem, undefined)
  })

test('repositories that wear the link out do not keep the others from their turn', async (t) => {
  let now = 0
  const clock = { now: () => now, sleep: async () => {} }
  const { cloud, site } = await openFilled(t, { dispatcher: { clock, breaker: { failures: 2 } } })
  for (const repository of [first, second]) cloud.faults.add({ repository }, serverError(503))

  await site.sync()
  const early = await site.tag(third, 'latest')
  // Each of the two costs a round.
  for (let round = 0; round < 2; round++) {
    now += 60_000
    await site.sync()
  }

  assert.equal(early, undefined, 'the breaker was open when its turn came')
  assert.equal(await site.tag(third, 'latest'), digestOf(before))
})

test('a parent that accepts and then says nothing is Offline when the time-out is over; what is here stays', async (t) => {
  const dispatcher = { timeouts: { headersMs: 500 }, retry: { retries: 0 } }
  const { cloud, site, push } = await openFilled(t, { dispatcher, scope: [first] })
  await site.sync()
  push(after)
  cloud.faults.add({ server: 'login' }, { kind: 'hang' })

  const { result } = await site.sync()

  assert.deepEqual([result, state(site), site.codes()], ['Failed', 'Offline', ['TIMEOUT']])
  assert.equal(await site.tag(first, 'latest'), digestOf(before))

  cloud.faults.clear()
  await site.sync()

  assert.equal(state(site), 'Online')
  assert.equal(await site.tag(first, 'latest'), digestOf(after))
})

test('content that stops in the middle is given up when the time-out is over', async (t) => {
  const dispatcher = { timeouts: { idleMs: 500 }, retry: { retries: 0 } }
  const options = { dispatcher, scope: [first], transfer: { attempts: 1 } }
  const { cloud, site } = await openFilled(t, options)
  const hang = { kind: 'hang', afterBytes: 0 } as const
  cloud.faults.add({ route: 'data', path: new RegExp(hexOf(layerOf(before))) }, hang)

  const { result } = await site.sync()

  assert.deepEqual([result, state(site)], ['Failed', 'Unhealthy'])
  assert.deepEqual(new Set(site.codes()), new Set(['TIMEOUT']))
  assert.equal(await site.tag(first, 'latest'), undefined)
})

test('a parent that is down is Offline, and Online when it is back; what is here stays meanwhile', async (t) => {
  const { cloud, site, push, tags } = await openFilled(t)
  await site.sync()
  await cloud.stop()

  const { result } = await site.sync()

  assert.deepEqual([result, state(site)], ['Failed', 'Offline'])
  assert.deepEqual(site.codes(), ['UNREACHABLE'])
  assert.deepEqual(await tags(), [before, before, before].map(digestOf))

  await cloud.start()
  push(after)
  const back = await site.sync()

  assert.deepEqual([back.result, state(site), site.codes()], ['Succeeded', 'Online', []])
  assert.deepEqual(await tags(), [after, after, after].map(digestOf))
})

test('a link that goes down in the middle of a round leaves the site Offline, with what had arrived', async (t) => {
  const { cloud, site, tags } = await openFilled(t)
  cloud.faults.add({ repository: second }, { kind: 'cut' })
  cloud.faults.add({ repository: third }, { kind: 'cut' })

  const { result, artifacts } = await site.sync()

  assert.deepEqual([result, state(site), artifacts], ['Failed', 'Offline', 1])
  assert.deepEqual(await tags(), [digestOf(before), undefined, undefined])
  assert.deepEqual(site.board.repository(first).have, 2)
})

test('a wrong password is named, and nothing that is here goes', async (t) => {
  const { cloud, site, push, tags } = await openFilled(t)
  await site.sync()
  push(after)
  cloud.tokens.set({ ...syncToken, password: 'another', actions: [] })
  await site.scope(repositories)

  const { result } = await site.sync()

  assert.deepEqual([result, state(site)], ['Failed', 'Unhealthy'])
  assert.deepEqual(new Set(site.codes()), new Set(['UNAUTHORIZED']))
  assert.deepEqual(await tags(), [before, before, before].map(digestOf))
})

test('a token that lost its rights is named, and nothing that is here goes', async (t) => {
  const { cloud, site, push, tags } = await openFilled(t)
  await site.sync()
  push(after)
  cloud.tokens.set({ ...syncToken, actions: [] })
  await site.scope(repositories)

  const { result } = await site.sync()

  assert.deepEqual([result, state(site)], ['Failed', 'Unhealthy'])
  assert.deepEqual(new Set(site.codes()), new Set(['DENIED']))
  assert.deepEqual(await tags(), [before, before, before].map(digestOf))
})
