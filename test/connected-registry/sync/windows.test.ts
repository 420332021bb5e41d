import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Digest, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Schedule } from '../../../modules/connected-registry/src/sync/schedule.ts'
import type { SyncStatus } from '../../../modules/connected-registry/src/sync/status.ts'
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

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** At night, two hours. */
const nightly: Schedule = { cron: '0 1 * * *', windowMs: 2 * hourMs }

async function openNight(
  t: TestContext,
  start: string,
  schedule = nightly,
  mode: 'ReadOnly' | 'ReadWrite' = 'ReadOnly'
) {
  const clock = createManualClock(start)
  const { connection, cloud } = await openCloud(t, 'acr', repositories)
  cloud.contents.put(first, one, 'latest')
  cloud.contents.put(second, two, 'latest')
  const site = await openSite(t, connection, repositories, { clock, schedule, mode })
  const rounds = () => cloud.requests.filter(({ url }) => url === `/acr/v1/${first}`).length
  return { clock, cloud, site, rounds }
}

const hasEnded =
  (result: string) =>
  ({ last, current }: SyncStatus) =>
    last?.result === result && !current
const isPlanned = (next: string | undefined) => (status: SyncStatus) => status.next === next && !status.current

test('an iteration begins with the tick, not before', async (t) => {
  const { clock, site, rounds } = await openNight(t, '2024-05-01T00:00:00Z')
  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))
  clock.advance(hourMs - 1)
  const early = rounds()

  clock.advance(1)
  await site.until(hasEnded('Succeeded'))

  assert.equal(early, 0)
  assert.equal(await site.tag(second, 'latest'), digestOf(two))
  await site.until(isPlanned('2024-05-02T01:00:00.000Z'))
})

test('what clients push by day is told as waiting to go up long before the window opens, also after a restart', async (t) => {
  const { clock, site } = await openNight(t, '2024-05-01T12:00:00Z', nightly, 'ReadWrite')
  await site.until(isPlanned('2024-05-02T01:00:00.000Z'))

  await site.push(first, two, 'pushed')
  clock.advance(minuteMs)

  await site.until(({ pendingUp }) => pendingUp?.references === 2)
  await site.push('plant/elsewhere', one, 'out-of-scope')
  await site.registry.tags.remove(first, 'pushed', { origin: 'client:line-1' })
  await site.push(second, one, 'pushed')
  clock.advance(minuteMs)
  await site.until(({ pendingUp }) => pendingUp?.artifacts === 2 && pendingUp.references === 4)

  await site.stop()
  const { connection } = await openCloud(t, 'acr', repositories)
  const { blobs, records } = site
  const restarted = await openSite(t, connection, repositories, {
    blobs,
    records,
    clock,
    schedule: nightly,
    mode: 'ReadWrite'
  })
  clock.advance(minuteMs)
  await restarted.until(({ pendingUp }) => pendingUp?.references === 4)
})

test('while an iteration runs no moment in the past is told as that of the next one', async (t) => {
  const { clock, cloud, site } = await openNight(t, '2024-05-01T00:59:59Z')
  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))
  cloud.faults.add(bytesOf(layerOf(one)), { kind: 'hang', afterBytes: 0 }, { times: 1 })
  const hanging = cloud.nextRequest(bytesOf(layerOf(one)))

  clock.advance(minuteMs)
  await hanging

  assert.equal(site.board.read().next, undefined)
})

test('settings that come while a window is open begin at once', async (t) => {
  const { clock, site } = await openNight(t, '2024-05-01T01:59:00Z')
  await site.until(({ next }) => next !== undefined)

  clock.advance(0)

  await site.until(hasEnded('Succeeded'))
})

test('a window that closes cuts the iteration; the next one goes on, and nothing comes twice', async (t) => {
  const { clock, cloud, site } = await openNight(t, '2024-05-01T00:00:00Z')
  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))
  cloud.faults.add(bytesOf(layerOf(two)), { kind: 'hang', afterBytes: 100 })
  const hanging = cloud.nextRequest(bytesOf(layerOf(two)))
  clock.advance(hourMs)
  await hanging

  clock.advance(2 * hourMs)
  await site.until(hasEnded('Aborted'))

  assert.equal(await site.tag(first, 'latest'), digestOf(one))
  assert.equal(await site.tag(second, 'latest'), undefined)
  assert.equal(site.board.read().connectionState, 'Online')
  assert.equal(site.board.repository(first).have, 2, 'what was done is known')
  await site.until(isPlanned('2024-05-02T01:00:00.000Z'))

  cloud.faults.clear()
  cloud.clearRequests()
  clock.advance(22 * hourMs)
  await site.until(hasEnded('Succeeded'))

  assert.equal(await site.tag(second, 'latest'), digestOf(two))
  const fetched = cloud.requests.filter(({ route }) => route === 'data').map(({ url }) => url)
  assert.ok(fetched.length > 0 && !fetched.some((url) => url.includes(hexOf(layerOf(one)))))
})

test('what is told when the window has just closed waits for the next one', async (t) => {
  const { clock, cloud, site } = await openNight(t, '2024-05-01T03:00:00Z')
  await site.until(isPlanned('2024-05-02T01:00:00.000Z'))

  const summaries = [await site.engine.sync({ only: new Set([first]) }), await site.engine.sync({ fresh: true })]

  assert.deepEqual([summaries, cloud.requests], [[undefined, undefined], []])
  clock.advance(22 * hourMs)
  await site.until(hasEnded('Succeeded'))
  assert.equal(await site.tag(first, 'latest'), digestOf(one))
})

test('where the next window opens as one closes, the iteration that was cut goes on at once', async (t) => {
  const hourly: Schedule = { cron: '0 * * * *', windowMs: hourMs }
  const { clock, cloud, site } = await openNight(t, '2024-05-01T00:30:00Z', hourly)
  cloud.faults.add(bytesOf(layerOf(two)), { kind: 'hang', afterBytes: 100 }, { times: 1 })
  const hanging = cloud.nextRequest(bytesOf(layerOf(two)))
  await site.until(isPlanned('2024-05-01T00:30:00.000Z'))
  clock.advance(0)
  await hanging

  clock.advance(30 * minuteMs)
  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))
  clock.advance(0)

  await site.until(hasEnded('Succeeded'))
})

test('a device that slept through its window waits for the next one', async (t) => {
  const { clock, site, rounds } = await openNight(t, '2024-05-01T00:00:00Z')
  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))

  clock.set(new Date('2024-05-01T12:00:00Z'))
  clock.advance(hourMs)

  await site.until(isPlanned('2024-05-02T01:00:00.000Z'))
  assert.equal(rounds(), 0)
})

test('a clock that is set right long after the start is noticed within minutes', async (t) => {
  const { clock, site } = await openNight(t, '1970-01-01T02:00:00Z', { ...nightly, cron: '0 1 * * 3' })
  await site.until(isPlanned('1970-01-07T01:00:00.000Z'))

  clock.set(new Date('2024-05-01T00:55:00Z')) // a Wednesday
  clock.advance(10 * minuteMs)

  await site.until(hasEnded('Succeeded'))
})

test('a clock that is set back does not put the next iteration off', async (t) => {
  const { clock, site } = await openNight(t, '2030-05-01T00:00:00Z')
  await site.until(isPlanned('2030-05-01T01:00:00.000Z'))

  clock.set(new Date('2024-05-01T00:00:00Z'))
  clock.advance(10 * minuteMs)

  await site.until(isPlanned('2024-05-01T01:00:00.000Z'))
})

test('continuous: a round a minute; the first asks for referrers, and then every tenth', async (t) => {
  const clock = createManualClock('2024-05-01T00:00:00Z')
  const { connection, cloud } = await openCloud(t, 'plain', [first])
  cloud.contents.put(first, one, 'latest')
  const site = await openSite(t, connection, [first], { clock, schedule: { cron: '* * * * *' } })
  const thorough: boolean[] = []

  for (let round = 0; round < 12; round++) {
    await site.until(({ next = '' }) => Date.parse(next) >= clock.now().getTime())
    cloud.clearRequests()
    clock.advance(65_000)
    await site.until(({ last }) => last?.startedAt === clock.now().toISOString())
    thorough.push(cloud.requests.some(({ route }) => route === 'referrers'))
  }

  assert.deepEqual(thorough, [true, ...Array<boolean>(9).fill(false), true, false])
})

test('an engine that was stopped asks nothing and removes nothing any more', async (t) => {
  const { clock, cloud, site } = await openNight(t, '2024-05-01T01:30:00Z')
  await site.sync()
  cloud.clearRequests()
  const waiting = site.resync().catch((error: unknown) => error)

  await site.stop()
  site.engine.apply(site.wish([first]))

  assert.equal(await site.engine.sync(), undefined)
  await waiting
  clock.advance(48 * hourMs)
  assert.equal(clock.waiting, 0)
  assert.equal(await site.registry.repositories.has(second), true)
  assert.equal(site.board.read().current, undefined)
})
