import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import {
  defaultRetryPolicy,
  parseRetryAfter,
  pauseBeforeRetry
} from '../../../modules/connected-registry/src/parent/retry.ts'

const url = new URL('http://parent.test/v2/')
const none = () => 0

function failed(code: ConstructorParameters<typeof ParentError>[0], retryAfterMs?: number): ParentError {
  return new ParentError(code, { operation: 'manifest', url, retryAfterMs })
}

test('a pause doubles with each attempt up to the longest one', () => {
  const policy = { ...defaultRetryPolicy, retries: 20, firstPauseMs: 100, longestPauseMs: 1000 }
  const pauses = [0, 1, 2, 3, 4, 12].map((attempt) => pauseBeforeRetry(failed('UNREACHABLE'), attempt, policy, () => 1))

  assert.deepEqual(pauses, [100, 200, 400, 800, 1000, 1000])
  assert.equal(
    pauseBeforeRetry(failed('UNREACHABLE'), 0, policy, () => 0.123),
    56,
    'in whole milliseconds, as the log shows them'
  )
})

test('only what may heal by itself is asked again, and only so often', () => {
  assert.equal(pauseBeforeRetry(failed('UNAUTHORIZED'), 0, defaultRetryPolicy, none), undefined)
  assert.equal(pauseBeforeRetry(failed('BREAKER_OPEN'), 0, defaultRetryPolicy, none), undefined)
  assert.equal(pauseBeforeRetry(new TypeError('a bug'), 0, defaultRetryPolicy, none), undefined)
  assert.equal(pauseBeforeRetry(failed('TIMEOUT'), defaultRetryPolicy.retries, defaultRetryPolicy, none), undefined)
})

test('a Retry-After is never undercut, and one that is too long is left to the caller', () => {
  assert.equal(pauseBeforeRetry(failed('THROTTLED', 7000), 0, defaultRetryPolicy, none), 7000)
  assert.ok(Number(pauseBeforeRetry(failed('THROTTLED', 7000), 0, defaultRetryPolicy, () => 1)) >= 7000)
  assert.equal(pauseBeforeRetry(failed('THROTTLED', 3_600_000), 0, defaultRetryPolicy, none), undefined)
})

test('Retry-After is read as seconds, or as a date beside the date of the answer', () => {
  assert.equal(parseRetryAfter('120', undefined), 120_000)
  const answered = 'Wed, 21 Oct 2015 07:28:00 GMT'
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:29:30 GMT', answered), 90_000)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:00:00 GMT', answered), 0)
  assert.equal(parseRetryAfter('Wed, 21 Oct 2015 07:29:30 GMT', undefined), undefined)
  assert.equal(parseRetryAfter(undefined, answered), undefined)
})

test('whatever stands in Retry-After is a span or nothing', () => {
  const text = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString())
  )
  fc.assert(
    fc.property(text, text, (header, date) => {
      const span = parseRetryAfter(header, date)

      assert.ok(span === undefined || (Number.isFinite(span) && span >= 0))
    })
  )
})
