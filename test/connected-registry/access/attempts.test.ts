import assert from 'node:assert/strict'
import test from 'node:test'
import { createAttempts } from '../../../modules/connected-registry/src/access/attempts.ts'

const limits = {
  name: { burst: 2, everyMs: 3000 },
  address: { burst: 4, everyMs: 1000 },
  total: { burst: 6, everyMs: 500 }
}

function someAttempts() {
  const clock = { time: 1_000_000, now: () => clock.time }
  return { clock, attempts: createAttempts({ now: clock.now, limits }) }
}

const tooMany = (retryAfterSeconds: number) => ({ code: 'TOOMANYREQUESTS', detail: { retryAfterSeconds } })

test('a name has so many failures, from whatever address, and time gives them back one by one', () => {
  const { clock, attempts } = someAttempts()
  attempts.take('reader', '10.0.0.1')
  attempts.take('reader', '10.0.0.2')

  assert.throws(() => attempts.take('reader', '10.0.0.3'), tooMany(3))
  attempts.take('writer', '10.0.0.3')
  clock.time += 2999
  assert.throws(() => attempts.take('reader', '10.0.0.3'), tooMany(1))
  clock.time += 1
  attempts.take('reader', '10.0.0.3')
  assert.throws(() => attempts.take('reader', '10.0.0.3'), tooMany(3))
})

test('a name from one address has fewer failures than from all together', () => {
  const nameAtAddress = { burst: 1, everyMs: 6000 }
  const attempts = createAttempts({ now: () => 1_000_000, limits: { ...limits, nameAtAddress } })
  attempts.take('reader', '10.0.0.1')

  assert.throws(() => attempts.take('reader', '10.0.0.1'), tooMany(6))
  attempts.take('reader', '10.0.0.2')
  assert.throws(() => attempts.take('reader', '10.0.0.3'), tooMany(3))
})

test('an address has so many failures, whatever the names', () => {
  const { attempts } = someAttempts()
  for (const name of ['a', 'b', 'c', 'd']) attempts.take(name, '10.0.0.1')

  assert.throws(() => attempts.take('e', '10.0.0.1'), tooMany(1))
  attempts.take('e', '10.0.0.2')
})

test('there are so many failures in total, whoever and from wherever', () => {
  const { attempts } = someAttempts()
  for (let at = 0; at < 6; at++) attempts.take(`name${at}`, `10.0.0.${at}`)

  assert.throws(() => attempts.take('another', '10.0.1.1'), tooMany(1))
})

test('what is given back was no failure, and a refused attempt takes nothing', () => {
  const { attempts } = someAttempts()
  for (let at = 0; at < 20; at++) attempts.take('reader', '10.0.0.1')()
  attempts.take('reader', '10.0.0.1')
  attempts.take('reader', '10.0.0.1')

  for (let at = 0; at < 20; at++) assert.throws(() => attempts.take('reader', '10.0.0.1'), tooMany(3))
})

test('a clock that is set back shuts nobody out for longer than the whole allowance takes', () => {
  const { clock, attempts } = someAttempts()
  attempts.take('reader', '10.0.0.1')
  attempts.take('reader', '10.0.0.1')

  clock.time -= 365 * 24 * 3_600_000

  assert.throws(() => attempts.take('reader', '10.0.0.1'), tooMany(3))
})
