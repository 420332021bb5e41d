import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import fc from 'fast-check'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { parseManifest } from '../../../modules/connected-registry/src/protocol/manifest.ts'
import { anImage, anIndex, aReferrer, type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'
import type { CloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import { type Fault, type RequestMatcher, serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud } from './parents.ts'
import { openSite, type TestSite } from './site.ts'

const repositories = ['plant/a', 'plant/b'] as const
const tagNames = ['latest', '1.0'] as const
const base = [{ path: 'base', content: 'shared by all' }]
const platforms = ['amd64', 'arm64'].map((architecture) =>
  anImage({ files: base, platform: { os: 'linux', architecture } })
)
/** Images of their own, with a layer in common; the last is an index. */
const images: readonly BuiltImage[] = [
  ...['a', 'b', 'c'].map((seed) => anImage({ seed, files: base, layers: 1 })),
  anIndex(platforms)
]
/** Always there: a registry forgets a repository that holds nothing, and what it does not know is never removed here. */
const anchor = anImage({ seed: 'anchor' })

type Act =
  | { readonly kind: 'push'; readonly repository: string; readonly image: number; readonly tag: string | undefined }
  | { readonly kind: 'untag'; readonly repository: string; readonly tag: string }
  | { readonly kind: 'remove' | 'attach'; readonly repository: string; readonly image: number }
  | { readonly kind: 'fail'; readonly on: RequestMatcher; readonly fault: Fault; readonly times: number }
  | { readonly kind: 'round'; readonly complete: boolean; readonly turns: number }
  | { readonly kind: 'restart' }

const repository = fc.constantFrom(...repositories)
const image = fc.nat(images.length - 1)
/** Anything may be cut, refused or failed; content may also be another than its digest says. */
const anywhere = fc.constantFrom<RequestMatcher>(
  ...(['manifest', 'data', 'blob', 'metadata', 'tags', 'referrers', 'token'] as const).map((route) => ({ route })),
  ...repositories.map((name) => ({ repository: name }))
)
const content = fc.constantFrom<RequestMatcher>({ route: 'manifest' }, { route: 'data' })
const nameUnknown = JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'unknown' }] })
const refusals: readonly Fault[] = [
  { kind: 'cut' },
  { kind: 'cut', afterBytes: 40 },
  { kind: 'expired-link' },
  { kind: 'answer', status: 401 },
  { kind: 'answer', status: 404, headers: { 'content-type': 'application/json' }, body: nameUnknown },
  serverError(500),
  serverError(503)
]
const times = fc.integer({ min: 1, max: 4 })
const lies: readonly Fault[] = [{ kind: 'wrong-bytes' }, { kind: 'other-body' }, { kind: 'wrong-digest-header' }]

function acts(silences: readonly Fault[]): fc.Arbitrary<Act> {
  const kind = <K extends Act['kind']>(name: K) => fc.constant(name)
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('push'),
        repository,
        image,
        tag: fc.option(fc.constantFrom(...tagNames), { nil: undefined })
      })
    },
    { weight: 2, arbitrary: fc.record({ kind: kind('untag'), repository, tag: fc.constantFrom(...tagNames) }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('remove'), repository, image }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('attach'), repository, image }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: kind('fail'), on: anywhere, fault: fc.constantFrom(...refusals), times })
    },
    { weight: 1, arbitrary: fc.record({ kind: kind('fail'), on: content, fault: fc.constantFrom(...lies), times }) },
    ...silences.map((fault) =>
      fc.record({ kind: kind('fail'), on: anywhere, fault: fc.constant(fault), times: fc.constant(1) })
    ),
    { weight: 4, arbitrary: fc.record({ kind: kind('round'), complete: fc.boolean(), turns: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('restart') }) }
  )
}

export interface ConvergenceOptions {
  readonly runs: number
  readonly length: number
  /** Faults besides the quick ones: each takes a time-out. */
  readonly silences?: readonly Fault[]
}

/** Whatever happens above, on the way and here: without faults two rounds bring agreement, and a third finds nothing to do. */
export async function assertConvergence(t: TestContext, acr: boolean, options: ConvergenceOptions): Promise<void> {
  const history = fc.array(acts(options.silences ?? []), { minLength: 1, maxLength: options.length, size: 'max' })
  await fc.assert(
    fc.asyncProperty(history, (happened) => converge(t, acr, happened)),
    { numRuns: options.runs, examples: [[spoiled]] }
  )
}

const round: Act = { kind: 'round', complete: false, turns: 0 }
const wrongContent = [{ kind: 'fail', on: { route: 'data' }, fault: { kind: 'wrong-bytes' }, times: 4 }, round] as const

/** Content that was wrong in so many rounds is not asked for again before long. */
const spoiled: readonly Act[] = [
  { kind: 'push', repository: 'plant/a', image: 2, tag: 'latest' },
  ...[wrongContent, wrongContent, wrongContent].flat()
]
const spoiledMs = 3_600_000

const siteOptions = {
  dispatcher: {
    timeouts: { headersMs: 400, idleMs: 400 },
    retry: { retries: 1, firstPauseMs: 1 },
    breaker: { failures: 1e6 }
  },
  transfer: { pauseMs: () => 0, attempts: 2 }
}

async function converge(t: TestContext, acr: boolean, history: readonly Act[]): Promise<void> {
  const { connection, cloud } = await openCloud(t, acr ? 'acr' : 'plain', repositories)
  for (const name of repositories) {
    cloud.contents.put(name, anchor, 'anchor')
    for (const [index, tag] of tagNames.entries()) cloud.contents.put(name, images[index]!, tag)
  }
  let passedMs = 0
  const timed = { ...siteOptions, transfer: { ...siteOptions.transfer, now: () => passedMs } }
  let site = await openSite(t, connection, repositories, timed)
  await site.sync()
  let running: Promise<unknown> | undefined
  for (const act of history) {
    if (act.kind === 'restart') {
      await Promise.all([running, site.stop()])
      const { blobs, records } = site
      site = await openSite(t, connection, repositories, { ...timed, blobs, records })
    } else if (act.kind === 'round') {
      await running
      // It goes on while more happens above.
      running = site.engine.sync({ complete: act.complete })
      for (let turn = 0; turn < act.turns; turn++) await turnOfLoop()
    } else change(cloud, act)
  }

  await running
  cloud.faults.clear()
  passedMs += spoiledMs
  for (let round = 0; round < 2; round++) await (acr ? site.sync() : site.resync())
  await assertAgreement(cloud, site)
  await assertRest(cloud, site, acr)

  await site.stop()
  await cloud.stop()
}

function change({ contents, faults }: CloudRegistry, act: Exclude<Act, { kind: 'round' | 'restart' }>): void {
  if (act.kind === 'fail') return void faults.add(act.on, act.fault, { times: act.times })
  if (act.kind === 'untag') return void contents.untag(act.repository, act.tag)
  const built = images[act.image]!
  const { digest } = built.manifest.descriptor
  if (act.kind === 'push') contents.put(act.repository, built, act.tag)
  else if (act.kind === 'remove') contents.deleteManifest(act.repository, digest)
  else contents.put(act.repository, aReferrer(built, { artifactType: 'application/vnd.example.signature' }))
}

async function assertAgreement({ contents }: CloudRegistry, site: TestSite): Promise<void> {
  for (const name of repositories) {
    const above = contents.repository(name)!
    const tags = await site.registry.tags.list(name, { limit: 100 })
    const here = await Promise.all(tags.map(async (tag) => [tag, await site.tag(name, tag)] as const))
    const there = [...above.tags].map(([tag, { digest }]) => [tag, digest] as const)
    assert.deepEqual(new Map(here), new Map(there))
    for (const [, digest] of there) await assertWhole(site, name, digest)
    for (const { digest } of [anchor, ...images].flatMap(manifestsOf).map(({ descriptor }) => descriptor)) {
      if (await site.holds(name, digest)) await assertReferrers(contents, site, name, digest)
    }
  }
  assert.deepEqual(site.codes(), [])
  assert.equal(site.board.read().connectionState, 'Online')
}

async function assertWhole(site: TestSite, name: string, digest: Digest): Promise<void> {
  const stored = await site.registry.manifests.get(name, { kind: 'digest', digest })
  assert.ok(stored, `${name}@${digest}`)
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType)
  for (const child of manifest.manifests) await assertWhole(site, name, child.digest)
  for (const blob of manifest.blobs) {
    assert.deepEqual(await site.registry.blobs.stat(name, blob.digest), { size: blob.size })
    assert.deepEqual(await site.blobs.stat(blob.digest), { size: blob.size })
  }
}

async function assertReferrers(contents: CloudRegistry['contents'], site: TestSite, name: string, subject: Digest) {
  const above = [...(contents.repository(name)?.manifests.values() ?? [])].filter(
    ({ bytes, descriptor }) => parseManifest(bytes, descriptor.mediaType).subject?.digest === subject
  )
  const here = (await site.registry.referrers.list(name, subject)).map(({ digest }) => digest)
  for (const { descriptor } of above) {
    assert.ok(here.includes(descriptor.digest), `referrer of ${name}@${subject}`)
    await assertWhole(site, name, descriptor.digest)
  }
}

/** One more round asks what it must and changes nothing. */
async function assertRest(cloud: CloudRegistry, site: TestSite, acr: boolean): Promise<void> {
  const head = site.registry.changes.head()
  // Every tenth round compares everything; so of two in a row one does not.
  const asked = [await requestsOfQuietRound(cloud, site), await requestsOfQuietRound(cloud, site)]

  assert.equal(site.registry.changes.head(), head)
  const expected = repositories.flatMap((name) => {
    const tags = [...cloud.contents.repository(name)!.tags.keys()]
    if (acr) return [`/acr/v1/${name}`]
    return [`/v2/${name}/tags/list`, ...tags.map((tag) => `/v2/${name}/manifests/${tag}`)]
  })
  const [least] = asked.toSorted((one, other) => one.length - other.length)
  assert.deepEqual(least, expected.toSorted())
}

async function requestsOfQuietRound(cloud: CloudRegistry, site: TestSite): Promise<readonly string[]> {
  cloud.clearRequests()
  const { artifacts, bytes, removed, result } = await site.sync()
  assert.deepEqual({ artifacts, bytes, removed, result }, { artifacts: 0, bytes: 0, removed: 0, result: 'Succeeded' })
  return cloud.requests.flatMap(({ route, url }) => (route === 'token' ? [] : [url])).sort()
}
