import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  continuous,
  cronProblem,
  nextIteration,
  openUntil,
  type Schedule
} from '../../../modules/connected-registry/src/sync/schedule.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

interface Pattern {
  readonly minute: number
  readonly hour: number | undefined
  readonly weekday: number | undefined
}

const pattern: fc.Arbitrary<Pattern> = fc.record({
  minute: fc.integer({ min: 0, max: 59 }),
  hour: fc.option(fc.integer({ min: 0, max: 23 }), { nil: undefined }),
  weekday: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined })
})
const windowMs = fc.integer({ min: 1, max: 7 * 24 }).map((hours) => hours * hourMs)
// With the moments around full minutes, where mistakes are made.
const moment = fc
  .tuple(
    fc.date({ min: new Date('2024-01-01T00:00:00Z'), max: new Date('2028-12-31T00:00:00Z'), noInvalidDate: true }),
    fc.option(fc.constantFrom(-1, 0, 1))
  )
  .map(([date, near]) => (near === null ? date : new Date(Math.floor(date.getTime() / minuteMs) * minuteMs + near)))

const cronOf = ({ minute, hour, weekday }: Pattern) => `${minute} ${hour ?? '*'} * * ${weekday ?? '*'}`

/** The other way to find a tick: try every minute. */
function isTick({ minute, hour, weekday }: Pattern, at: Date): boolean {
  const fits = (wanted: number | undefined, actual: number) => wanted === undefined || wanted === actual
  return minute === at.getUTCMinutes() && fits(hour, at.getUTCHours()) && fits(weekday, at.getUTCDay())
}

function findTick(wanted: Pattern, from: number, step: 1 | -1): Date {
  for (let at = new Date(from); ; at = new Date(at.getTime() + step * minuteMs)) if (isTick(wanted, at)) return at
}

// The first test here: what was loaded once is kept.
test('schedule: no table of zones and languages is loaded, which takes megabytes', (t) => {
  const zones = t.mock.method(Intl, 'DateTimeFormat')

  assert.equal(cronProblem('30 1 * * *'), undefined)
  assert.notEqual(openUntil({ cron: '* * * * 0', windowMs: dayMs }, new Date('2024-03-31T01:00:00Z')), undefined)

  assert.equal(zones.mock.callCount(), 0)
})

test('schedule: the next iteration begins at the first tick after now', () => {
  fc.assert(
    fc.property(pattern, windowMs, moment, (wanted, window, now) => {
      const next = nextIteration({ cron: cronOf(wanted), windowMs: window }, now, () => 0)

      const nextMinute = Math.floor(now.getTime() / minuteMs + 1) * minuteMs
      assert.deepEqual(next, findTick(wanted, nextMinute, 1))
    })
  )
})

test('schedule: a window is open from its tick on, as long as it lasts, and the last one to open counts', () => {
  fc.assert(
    fc.property(pattern, windowMs, moment, (wanted, window, now) => {
      const until = openUntil({ cron: cronOf(wanted), windowMs: window }, now)

      const began = findTick(wanted, Math.floor(now.getTime() / minuteMs) * minuteMs, -1)
      const closes = new Date(began.getTime() + window)
      assert.deepEqual(until, closes > now ? closes : undefined)
    })
  )
})

test('schedule: at its own tick a window is open for all its length, however short the time between ticks', () => {
  const hourly: Schedule = { cron: '0 * * * *', windowMs: 3 * hourMs }

  assert.deepEqual(openUntil(hourly, new Date('2024-05-01T10:00:00Z')), new Date('2024-05-01T13:00:00Z'))
})

test('schedule: continuous is always open, and looks again within about a minute', () => {
  fc.assert(
    fc.property(moment, fc.double({ min: 0, max: 1, noNaN: true }), (now, random) => {
      assert.equal(openUntil({ cron: continuous }, now), 'open')
      const wait = nextIteration({ cron: continuous }, now, () => random)!.getTime() - now.getTime()
      assert.ok(wait >= 50_000 && wait <= 65_000)
    })
  )
})

const field = fc.oneof(
  fc.constant('*'),
  fc.nat(70).map(String),
  fc.tuple(fc.nat(70), fc.nat(70)).map(([from, to]) => `${from}-${to}`),
  fc.nat(70).map((step) => `*/${step}`)
)
const cronLike = fc.array(field, { minLength: 4, maxLength: 6 }).map((fields) => fields.join(' '))

test('schedule: of a parent that tells by itself the whole scope is looked at within about an hour', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  const waits = [0, 1].map(
    (random) => nextIteration({ cron: continuous }, now, () => random, true)!.getTime() - now.getTime()
  )

  assert.deepEqual(waits, [50 * 60_000, 65 * 60_000])
})

test('schedule: a cron text has a problem or a next tick, whatever it is', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), cronLike), moment, (text, now) => {
      const problem = cronProblem(text)

      if (problem !== undefined) assert.notEqual(problem, '')
      else assert.ok(nextIteration({ cron: text }, now, () => 0))
    })
  )
})

for (const [text, isFine] of [
  ['* * * * *', true],
  ['0 3 * * 1-5', true],
  ['0 0 29 2 *', true],
  ['0 0 31 2 *', false],
  ['* * * * * *', false],
  ['60 * * * *', false],
  ['at night', false],
  ['', false]
] as const)
  test(`schedule: ${JSON.stringify(text)} is ${isFine ? 'a' : 'no'} cron pattern`, () => {
    assert.equal(cronProblem(text) === undefined, isFine)
  })

test('schedule: days are those of UTC', () => {
  const daily: Schedule = { cron: '30 1 * * *', windowMs: dayMs }

  assert.deepEqual(
    nextIteration(daily, new Date('2024-03-31T01:00:00Z'), () => 0),
    new Date('2024-03-31T01:30:00Z')
  )
})

for (const cron of [
  '@daily',
  '0 0 * * MON',
  '0 0 L * *',
  '0 0 ? * *',
  '0 0 1W * *',
  '0 0 * JAN *',
  '* * * * * *',
  '0 0 * *'
])
  test(`${cron} is not of the five-field dialect that every parser reads alike`, () => {
    assert.notEqual(cronProblem(cron), undefined)
  })

for (const cron of ['*/5 1-3,7 * * *', '0 0 1 1,7 *', '0 3 * * 0', '0 9-17/2 * * 1-5', continuous])
  test(`${cron} is of it`, () => assert.equal(cronProblem(cron), undefined))
