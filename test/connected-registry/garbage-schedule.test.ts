import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import type { MethodResponse } from '@connected-registry/edge-module/methods.ts'
import { createDirectMethods } from '../../modules/connected-registry/src/direct-methods.ts'
import { createGarbageSchedule } from '../../modules/connected-registry/src/garbage-schedule.ts'
import type { CollectOptions, GarbageReport } from '../../modules/connected-registry/src/registry/garbage.ts'
import type { Site } from '../../modules/connected-registry/src/site.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { nothing, openSite } from './registry/garbage-site.ts'

const empty: GarbageReport = {
  ...{ dryRun: false, reviewed: 0, manifestsRemoved: 0, linksRemoved: 0, blobsRemoved: 0 },
  ...{ bytesFreed: 0, manifestBytesRemoved: 0, kept: {} }
}

/** A collector that is told what to answer, and a schedule that runs it. */
function openSchedule(t: TestContext, answer: (options: CollectOptions) => Promise<GarbageReport> = async () => empty) {
  const runs: CollectOptions[] = []
  const garbage = {
    collect: (options: CollectOptions = {}) => {
      runs.push(options)
      return answer(options)
    }
  }
  const log = createLog({ module: 'test', level: 'None' })
  const now = () => new Date('2026-03-01T12:00:00Z')
  const changes: number[] = []
  const schedule = createGarbageSchedule({ garbage, log, now, onChange: () => changes.push(runs.length) })
  t.after(() => schedule.stop())
  return { schedule, runs, changes }
}

test('a run begins at each tick of the pattern, and none where it is switched off', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-03-01T12:00:30Z') })
  const { schedule, runs } = openSchedule(t)

  schedule.apply({ enabled: true, cron: '5 * * * *' })
  assert.equal(schedule.status().next, '2026-03-01T12:05:00.000Z')
  for (let minute = 0; minute < 70; minute++) t.mock.timers.tick(60_000)
  assert.equal(runs.length, 2)
  schedule.apply({ enabled: false, cron: '5 * * * *' })
  for (let minute = 0; minute < 70; minute++) t.mock.timers.tick(60_000)

  assert.equal(runs.length, 2)
  assert.equal(schedule.status().next, undefined)
})

test('the last run is in the status, a dry run is not', async (t) => {
  const { schedule, changes } = openSchedule(t, async ({ dryRun = false }) => ({ ...empty, dryRun, reviewed: 3 }))

  assert.equal((await schedule.collect({ dryRun: true })).reviewed, 3)
  assert.equal(schedule.status().last, undefined)
  await schedule.collect()

  assert.deepEqual(schedule.status().last, { ...empty, reviewed: 3, endedAt: '2026-03-01T12:00:00.000Z' })
  assert.deepEqual(changes, [2])
})

test('a run that fails says why, until one succeeds', async (t) => {
  let fails = true
  const { schedule } = openSchedule(t, async () => {
    if (fails) throw new Error('the disk is gone')
    return empty
  })

  await assert.rejects(schedule.collect(), /disk/)
  assert.equal(schedule.status().lastProblem, 'the disk is gone')
  fails = false
  await schedule.collect()

  assert.equal(schedule.status().lastProblem, undefined)
})

test('runs and what they removed are counted, dry ones are not', async (t) => {
  let fails = false
  const { schedule } = openSchedule(t, async ({ dryRun = false }) => {
    if (fails) throw new Error('the disk is gone')
    return {
      ...empty,
      dryRun,
      manifestsRemoved: 1,
      linksRemoved: 2,
      blobsRemoved: 3,
      bytesFreed: 4,
      manifestBytesRemoved: 5
    }
  })

  await schedule.collect({ dryRun: true })
  await schedule.collect()
  await schedule.collect()
  fails = true
  await assert.rejects(schedule.collect())

  const removed = { manifestsRemoved: 2, linksRemoved: 4, blobsRemoved: 6, bytesFreed: 8, manifestBytesRemoved: 10 }
  assert.deepEqual(schedule.totals(), { succeeded: 2, failed: 1, ...removed })
})

test('a stop ends the run under way, and waits for its end', async (t) => {
  const begun = Promise.withResolvers<void>()
  let ended = false
  const { schedule } = openSchedule(t, async ({ signal }) => {
    begun.resolve()
    await new Promise((resolve) => signal?.addEventListener('abort', resolve))
    ended = true
    throw signal?.reason
  })
  const run = assert.rejects(schedule.collect(), /stops/)
  await begun.promise

  await schedule.stop()

  assert.equal(ended, true)
  await run
  assert.equal(schedule.status().lastProblem, undefined)
})

test('the direct method collects, or only says what it would do', async (t) => {
  const { schedule, runs } = openSchedule(t, async ({ dryRun = false }) => ({ ...empty, dryRun }))
  const methods = createDirectMethods(() => ({ garbage: schedule }) as Partial<Site> as Site, {
    status: async () => ({}),
    summary: () => ({})
  })
  const collectGarbage = methods.collectGarbage!

  const answers = [await collectGarbage(undefined), await collectGarbage({ dryRun: true })]
  const refused = [await collectGarbage({ dry: true }), await collectGarbage('now')]

  assert.deepEqual(
    answers.map(({ status, payload }) => [status, (payload as { dryRun?: boolean }).dryRun]),
    [
      [200, false],
      [200, true]
    ]
  )
  assert.deepEqual(
    refused.map(({ status }) => status),
    [400, 400]
  )
  assert.equal(runs.length, 2)
})

function reportIn({ payload }: MethodResponse): GarbageReport {
  return payload as unknown as GarbageReport
}

test('a dry run by the direct method says what a run would remove, and removes nothing', async (t) => {
  const site = await openSite(t)
  const image = anImage()
  await site.push('app', image, 'v1')
  await site.remove('app', image)
  site.wait(30)
  const schedule = createGarbageSchedule({
    garbage: site.registry.garbage,
    log: createLog({ module: 'test', level: 'None' })
  })
  t.after(schedule.stop)
  const { collectGarbage } = createDirectMethods(() => ({ garbage: schedule }) as Partial<Site> as Site, {
    status: async () => ({}),
    summary: () => ({})
  })
  const before = await site.dump()

  const dry = reportIn(await collectGarbage!({ dryRun: true }))
  const afterDry = await site.dump()
  const real = reportIn(await collectGarbage!({}))

  assert.deepEqual(afterDry, before)
  assert.deepEqual([dry.blobsRemoved, dry.bytesFreed], [real.blobsRemoved, real.bytesFreed])
  assert.equal(real.blobsRemoved, image.blobs.size)
  assert.deepEqual(await site.left(image), nothing)
})

test('without a store there is nothing to collect', async () => {
  const methods = createDirectMethods(() => ({}) as Partial<Site> as Site, {
    status: async () => ({}),
    summary: () => ({})
  })

  assert.equal((await methods.collectGarbage!(undefined)).status, 409)
})
