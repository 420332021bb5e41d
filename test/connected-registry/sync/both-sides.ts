import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import fc from 'fast-check'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, anIndex, type BuiltImage } from '../../fixtures/image-builder.ts'
import type { CloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import { type Fault, type RequestMatcher, serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud, writeRights } from './parents.ts'
import { openSite, type TestSite } from './site.ts'

const repository = 'plant/app'
const created = 'plant/new'
const tagNames = ['latest', '1.0'] as const
const client = { origin: 'client:line-1' } as const
const base = [{ path: 'base', content: 'shared by all' }]
const platforms = ['amd64', 'arm64'].map((architecture) =>
  anImage({ files: base, platform: { os: 'linux', architecture } })
)
const images: readonly BuiltImage[] = [
  ...['a', 'b', 'c', 'd'].map((seed) => anImage({ seed, files: base, layers: 1 })),
  anIndex(platforms)
]
/** Always there: what a registry does not know at all says nothing. */
const anchor = anImage({ seed: 'anchor' })
const digestOf = ({ manifest }: BuiltImage) => manifest.descriptor.digest

type Side = 'here' | 'above'

type Act =
  | { readonly kind: 'push'; readonly side: Side; readonly image: number; readonly tag: string | undefined }
  | { readonly kind: 'untag'; readonly side: Side; readonly tag: string }
  | { readonly kind: 'remove'; readonly side: Side; readonly image: number }
  | { readonly kind: 'create'; readonly image: number }
  | { readonly kind: 'fail'; readonly on: RequestMatcher; readonly fault: Fault; readonly times: number }
  | { readonly kind: 'round'; readonly complete: boolean; readonly turns: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'trim' }

const anywhere = fc.constantFrom<RequestMatcher>(
  ...(['manifest', 'data', 'blob', 'upload', 'metadata', 'tags', 'token'] as const).map((route) => ({ route })),
  ...['PUT', 'PATCH', 'POST', 'DELETE', 'HEAD'].map((method) => ({ method }))
)
const faults: readonly Fault[] = [
  { kind: 'cut' },
  { kind: 'cut', afterBytes: 0 },
  { kind: 'answer', status: 401 },
  serverError(500),
  serverError(503)
]

function acts(): fc.Arbitrary<Act> {
  const kind = <K extends Act['kind']>(name: K) => fc.constant(name)
  const side = fc.constantFrom<Side>('here', 'above')
  const image = fc.nat(images.length - 1)
  const tag = fc.constantFrom<string>(...tagNames)
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: kind('push'), side, image, tag: fc.option(tag, { nil: undefined }) }) },
    { weight: 3, arbitrary: fc.record({ kind: kind('untag'), side, tag }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('remove'), side, image }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('create'), image }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('fail'),
        on: anywhere,
        fault: fc.constantFrom(...faults),
        times: fc.integer({ min: 1, max: 4 })
      })
    },
    { weight: 5, arbitrary: fc.record({ kind: kind('round'), complete: fc.boolean(), turns: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('restart') }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('trim') }) }
  )
}

/** Deleted on both sides, it is put back as both had agreed on it: lost once here, and above, where it may be still (`isLeaving`). */
const found: readonly Act[][] = ['1.0', undefined].flatMap((tag) => [
  [
    { kind: 'remove', side: 'here', image: 1 },
    { kind: 'remove', side: 'above', image: 1 },
    { kind: 'push', side: 'here', image: 1, tag },
    { kind: 'trim' }
  ],
  [
    { kind: 'remove', side: 'above', image: 1 },
    { kind: 'remove', side: 'here', image: 1 },
    { kind: 'push', side: 'above', image: 1, tag }
  ]
])

/**
 * Whatever happens on both sides and on the way: without faults a few rounds bring agreement, the next finds nothing to do, and of what
 * was pushed nothing is gone that nobody deleted.
 */
export async function assertBothSidesConverge(t: TestContext, acr: boolean, runs: number, length: number) {
  const history = fc.array(acts(), { minLength: 1, maxLength: length, size: 'max' })
  await fc.assert(
    fc.asyncProperty(history, (happened) => converge(t, acr, happened)),
    { numRuns: runs, examples: found.map((happened) => [happened]) }
  )
}

const siteOptions = {
  mode: 'ReadWrite',
  dispatcher: { retry: { retries: 1, firstPauseMs: 1 }, breaker: { failures: 1e6 } },
  transfer: { pauseMs: () => 0, attempts: 2 }
} as const

async function converge(t: TestContext, acr: boolean, history: readonly Act[]): Promise<void> {
  const names = [repository, created]
  const { connection, cloud } = await openCloud(t, acr ? 'acr' : 'plain', names, { rights: writeRights })
  for (const name of names) cloud.contents.put(name, anchor, 'anchor')
  for (const [index, tag] of tagNames.entries()) cloud.contents.put(repository, images[index]!, tag)
  let site = await openSite(t, connection, names, siteOptions)
  await site.sync()
  const pushed = new Set<Digest>([anchor, images[0]!, images[1]!].map(digestOf))
  let running: Promise<unknown> | undefined
  let isRunning = false
  for (const act of history) {
    if (act.kind === 'restart') {
      await Promise.all([running, site.stop()])
      const { blobs, records } = site
      site = await openSite(t, connection, names, { ...siteOptions, blobs, records })
    } else if (act.kind === 'round') {
      await running
      isRunning = true
      running = site.engine.sync({ complete: act.complete }).finally(() => {
        isRunning = false
      })
      for (let turn = 0; turn < act.turns; turn++) await turnOfLoop()
    } else if (act.kind === 'fail') cloud.faults.add(act.on, act.fault, { times: act.times })
    else if (act.kind === 'trim') await trim(site)
    else await change({ site, cloud, acr, isRunning }, act, pushed)
  }

  await running
  cloud.faults.clear()
  // A conflict tag goes up in the round after the conflict, and a parent that lacks most is believed the second time.
  for (let round = 0; round < 4; round++) await site.resync()
  await assertEqual(cloud, site)
  for (const digest of pushed) assert.ok(await isSomewhere(cloud, site, digest), `${digest} is lost`)
  const head = site.registry.changes.head()
  cloud.clearRequests()
  const { artifacts, removed, sent } = await site.resync()
  assert.deepEqual({ artifacts, removed, sent: sent.artifacts }, { artifacts: 0, removed: 0, sent: 0 })
  assert.equal(site.registry.changes.head(), head)
  assert.deepEqual(
    cloud.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    []
  )

  await site.stop()
  await cloud.stop()
}

/** As it is done by the hour, but of all there is. */
async function trim({ outbound, registry }: TestSite): Promise<void> {
  await outbound.catchUp()
  await registry.changes.trim({ before: new Date(), keep: 0 })
}

type Change = Extract<Act, { kind: 'push' | 'untag' | 'remove' | 'create' }>

interface Sides {
  readonly site: TestSite
  readonly cloud: CloudRegistry
  readonly acr: boolean
  readonly isRunning: boolean
}

/** `pushed`: what must be somewhere in the end. */
async function change(sides: Sides, act: Change, pushed: Set<Digest>): Promise<void> {
  const { site } = sides
  const { contents } = sides.cloud
  if (act.kind === 'untag') {
    if (act.side === 'above') contents.untag(repository, act.tag)
    else await site.registry.tags.remove(repository, act.tag, client)
    return
  }
  const image = images[act.image]!
  const digest = digestOf(image)
  const name = act.kind === 'create' ? created : repository
  const above = contents.repository(name)
  if (act.kind === 'remove') {
    // Who deletes a manifest means it, on whichever side.
    pushed.delete(digestOf(image))
    if (act.side === 'above') contents.deleteManifest(repository, digestOf(image))
    else await site.registry.manifests.remove(repository, digestOf(image), client)
    return
  }
  const isAbove = act.kind === 'push' && act.side === 'above'
  // What was there already is not pushed: only its tags moved, and they may have moved back.
  const isThere = isAbove ? above?.manifests.has(digest) : await site.holds(name, digest)
  if (!isThere && !(isAbove && (await isLeaving(sides, digest)))) pushed.add(digest)
  if (act.kind === 'create') await site.push(created, image, 'made-here')
  else if (act.side === 'above') contents.put(repository, image, act.tag)
  else await site.push(repository, image, act.tag)
}

/**
 * A client deleted it here, and the parent has not been told. What is deleted and pushed again above before the next look shows there
 * as it was when both agreed, so that the deletion goes up as if nobody had pushed it. ACR tells when it was created: that helps where
 * it was looked at since it was brought there from here, and the look is not over.
 */
async function isLeaving({ site, acr, isRunning }: Sides, digest: Digest): Promise<boolean> {
  const { outbound, bases } = site
  await outbound.catchUp()
  if ((await outbound.get(repository, digest))?.removed !== true) return false
  return !acr || isRunning || (await bases.get(repository, digest))?.since === undefined
}

async function assertEqual({ contents }: CloudRegistry, site: TestSite): Promise<void> {
  for (const name of [repository, created]) {
    const above = contents.repository(name)!
    const tags = await site.registry.tags.list(name, { limit: 100 })
    const here = await Promise.all(tags.map(async (tag) => [tag, await site.tag(name, tag)] as const))
    const there = [...above.tags].map(([tag, { digest }]) => [tag, digest] as const)
    assert.deepEqual(new Map(here), new Map(there))
    for (const [tag, digest] of here) {
      assert.ok(await site.registry.manifests.isWhole(name, digest!), `${name}:${tag} is whole`)
    }
  }
  const codes = site.codes().filter((code) => code !== 'TAG_CONFLICT')
  assert.deepEqual(codes, [])
}

async function isSomewhere({ contents }: CloudRegistry, site: TestSite, digest: Digest): Promise<boolean> {
  for (const name of [repository, created]) {
    if (contents.repository(name)?.manifests.has(digest) || (await site.holds(name, digest))) return true
  }
  return false
}
