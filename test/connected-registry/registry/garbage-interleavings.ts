import fc from 'fast-check'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { dayMs, defaultPolicy, type GarbagePolicy } from '../../../modules/connected-registry/src/registry/garbage.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { assertNothingElse, assertReachable } from './garbage-model.ts'
import {
  actions,
  carryOut,
  createWorld,
  first,
  images,
  index,
  repositories,
  type Step,
  signature,
  tags
} from './garbage-world.ts'

const anywhere = {
  action: fc.constantFrom(...actions, 'collect', 'collect'),
  repository: fc.constantFrom(...repositories),
  image: fc.nat(images.length - 1),
  tag: fc.constantFrom(...tags, undefined)
} as const

/** Few names, so that the steps get in each other's way. */
const crowded = {
  action: fc.constantFrom(...actions, 'mount', 'put', 'collect'),
  repository: fc.constantFrom('app', 'app', 'other'),
  image: fc.constantFrom(first, first, index, signature),
  tag: fc.constantFrom('v1', undefined)
} as const

const collect: Step = { action: 'collect', repository: 'app', image: first, tag: undefined }

/** What happened before, one after the other; then everything at once, a collection among it. */
const aroundCollection = fc
  .tuple(
    fc.array(fc.record(crowded), { minLength: 1, maxLength: 4 }),
    fc.array(fc.record(crowded), { minLength: 1, maxLength: 3 })
  )
  .map(([before, at]) => [...before.map((step) => ({ steps: [step], days: 0 })), { steps: [collect, ...at], days: 0 }])

/** Steps that begin all at once, and the days that pass after them. */
const bursts = fc.array(
  fc.record({ steps: fc.array(fc.record(anywhere), { minLength: 1, maxLength: 7 }), days: fc.constantFrom(0, 0.6, 1) }),
  { minLength: 1, maxLength: 5 }
)

type Bursts = readonly { readonly steps: readonly Step[]; readonly days: number }[]

/** All of it at once and in any order; `graceDays` of 0 lets whatever nothing names go under the hands of who is about to name it. */
export function interleaveBursts(graceDays: number, numRuns: number): Promise<void> {
  return assertAlways(bursts, graceDays, numRuns)
}

/** What meets a collection in its every moment. */
export function interleaveCollection(numRuns: number): Promise<void> {
  return assertAlways(aroundCollection, 0, numRuns)
}

async function assertAlways(arbitrary: fc.Arbitrary<Bursts>, graceDays: number, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(fc.scheduler(), arbitrary, (scheduler, bursts) =>
    play(scheduler, bursts, graceDays)
  )
  await fc.assert(property, { numRuns })
}

async function play(scheduler: fc.Scheduler, bursts: Bursts, graceDays: number): Promise<void> {
  let nowMs = Date.parse('2026-03-01T00:00:00Z')
  const policy: GarbagePolicy = { ...defaultPolicy, graceMs: graceDays * dayMs, untaggedAfterMs: graceDays * dayMs }
  const now = () => new Date(nowMs)
  const [records, blobs] = [createMemoryRecordStore(), createMemoryBlobStore()]
  const deps = { records: inAnyOrder(records, scheduler), blobs: blobsInAnyOrder(blobs, scheduler) }
  const registry = await scheduler.waitFor(createRegistry({ ...deps, now, policy: () => policy }))
  const world = await createWorld(registry, deps.blobs)
  // The same store without the delays, to look at it in between.
  const open = { records, blobs, registry: await createRegistry({ records, blobs, now }) }
  const lacking = new Set(
    bursts.flatMap(({ steps }) =>
      steps.filter(({ action }) => action === 'remove').map(({ image }) => images[image]!.manifest.descriptor.digest)
    )
  )

  for (const { steps, days } of bursts) {
    await scheduler.waitFor(Promise.all(steps.map((step) => carryOut(world, step))))
    await assertReachable(open, lacking)
    nowMs += days * dayMs
  }

  // The manifests, then the blobs and referrers they leave, then what those leave: each waits for its own grace.
  for (let run = 0; run < 3; run++) {
    nowMs += graceDays * dayMs
    await scheduler.waitFor(registry.garbage.collect())
    await assertReachable(open, lacking)
  }
  await assertNothingElse(open)
}

/** Answers come late and in any order; batches are applied in the order of the calls all the same. */
function inAnyOrder(records: RecordStore, scheduler: fc.Scheduler): RecordStore {
  return {
    ...records,
    get: (key) => scheduler.schedule(Promise.resolve(records.get(key))),
    list: (prefix, page) => scheduler.schedule(Promise.resolve(records.list(prefix, page))),
    commit: (batch) => scheduler.schedule(records.commit(batch))
  }
}

function blobsInAnyOrder(blobs: BlobStore, scheduler: fc.Scheduler): BlobStore {
  return {
    ...blobs,
    stat: (digest) => scheduler.schedule(blobs.stat(digest)),
    remove: (digest) => scheduler.schedule(blobs.remove(digest)),
    commit: (id, digest) => scheduler.schedule(blobs.commit(id, digest))
  }
}
