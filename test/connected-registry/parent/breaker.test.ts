import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Breaker, createBreaker } from '../../../modules/connected-registry/src/parent/breaker.ts'
import { manualClock } from './parent-rig.ts'

const policy = { failures: 3, firstPauseMs: 1000, longestPauseMs: 3000 }

function aBreaker() {
  const clock = manualClock()
  return { clock, breaker: createBreaker(policy, { clock, random: () => 1 }) }
}

function fail(breaker: Breaker, times: number): void {
  for (let count = 0; count < times; count++) breaker.enter()?.failed()
}

test('a breaker opens after consecutive failures only', () => {
  const { breaker } = aBreaker()

  fail(breaker, 2)
  breaker.enter()?.succeeded()
  fail(breaker, 2)
  assert.ok(breaker.enter(), 'a success in between starts the count anew')
  fail(breaker, 1)

  assert.equal(breaker.enter(), undefined)
  assert.equal(breaker.waitMs(), 1000)
})

test('an open breaker lets one probe pass after its pause, and closes when it succeeds', () => {
  const { breaker, clock } = aBreaker()
  fail(breaker, 3)

  clock.advance(999)
  assert.equal(breaker.enter(), undefined)
  clock.advance(1)
  const probe = breaker.enter()
  assert.ok(probe)
  assert.equal(breaker.enter(), undefined, 'one probe at a time')
  probe.succeeded()

  assert.ok(breaker.enter())
  assert.equal(breaker.waitMs(), 0)
})

test('each failed probe makes the pause longer, up to a limit', () => {
  const { breaker, clock } = aBreaker()
  fail(breaker, 3)
  const pauses: number[] = []
  for (let probe = 0; probe < 4; probe++) {
    pauses.push(breaker.waitMs())
    clock.advance(breaker.waitMs())
    breaker.enter()?.failed()
  }

  assert.deepEqual(pauses, [1000, 2000, 3000, 3000])
})

test('a probe that was given up leaves room for the next one', () => {
  const { breaker, clock } = aBreaker()
  fail(breaker, 3)
  clock.advance(1000)

  breaker.enter()?.abandoned()

  assert.ok(breaker.enter())
})

test('requests that left before it opened do not make the pause longer', () => {
  const { breaker } = aBreaker()
  const stragglers = [1, 2, 3, 4, 5].map(() => breaker.enter())
  fail(breaker, 3)

  for (const pass of stragglers) pass?.failed()

  assert.equal(breaker.waitMs(), 1000)
})

test('requests that fail beside one another count as one failure', () => {
  const { breaker } = aBreaker()
  const failTogether = () => {
    for (const pass of [1, 2, 3, 4].map(() => breaker.enter())) pass?.failed()
  }

  failTogether()
  failTogether()
  assert.equal(breaker.waitMs(), 0)
  failTogether()

  assert.equal(breaker.waitMs(), 1000)
})
