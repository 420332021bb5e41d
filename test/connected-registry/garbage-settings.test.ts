import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeGarbageSettings, untaggedAfter } from '../../modules/connected-registry/src/garbage-settings.ts'
import { mergeSettings, parseSettings } from '../../modules/connected-registry/src/settings.ts'

const dayMs = 24 * 3_600_000

function read(garbageCollection: unknown) {
  const result = parseSettings({ garbageCollection }, {})
  return result.kind === 'settings' ? mergeSettings([result.settings]).garbageCollection : result.problems
}

test('garbage is collected every night unless it is said otherwise', () => {
  const { garbageCollection } = mergeSettings([])

  assert.deepEqual(garbageCollection, { enabled: true, cron: '0 0 * * *', graceMs: dayMs })
  assert.deepEqual(read({}), garbageCollection)
})

test('what is said is taken', () => {
  const given = { enabled: false, schedule: '30 3 * * 0', grace: 'PT2H', untaggedAfter: 'P30D' }
  const expected = { enabled: false, cron: '30 3 * * 0', graceMs: dayMs / 12, untaggedAfterMs: 30 * dayMs }

  assert.deepEqual(read(given), expected)
})

test('every wrong value is named', () => {
  const given = { schedule: 'at night', grace: 'PT5M', untaggedAfter: 'a week' }

  const problems = read(given) as readonly string[]

  assert.equal(problems.length, 3)
  assert.match(problems[0]!, /^garbageCollection: schedule is not a cron pattern/)
  assert.equal(problems[1], 'garbageCollection: grace is not an ISO 8601 duration from PT1H on')
  assert.match(problems[2]!, /untaggedAfter is neither/)
  assert.doesNotMatch(problems.join(), /at night|PT5M|a week/, 'a value may be a secret in the wrong place')
  assert.match(String(read({ schedule: `${'1,'.repeat(100)}1 * * * *` })), /^garbageCollection\.schedule: Too big/)
  assert.deepEqual(read({ unless: true }), ['garbageCollection.unless: unknown setting'])
  assert.equal((read({ enabled: 'yes' }) as readonly string[]).length, 1)
})

test('no document makes a policy that would remove at once, or throws', () => {
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('P1D', '-P1D', 'PT0S', 'P1Y', 'P9999999999D', 'never', '* * * * *')
  )
  const document = fc.record(
    { enabled: fc.boolean(), schedule: value, grace: value, untaggedAfter: value },
    { requiredKeys: [] }
  )
  fc.assert(
    fc.property(document, (given) => {
      const settings = read(given)
      if (Array.isArray(settings)) return settings.length > 0
      const { graceMs, untaggedAfterMs } = settings as Exclude<typeof settings, readonly string[]>
      const isTime = typeof untaggedAfterMs !== 'number' || (Number.isFinite(untaggedAfterMs) && untaggedAfterMs >= 0)
      return graceMs >= 3_600_000 && Number.isFinite(graceMs) && isTime
    })
  )
})

test('a manifest without a tag stays a week in ReadOnly mode, and for ever in ReadWrite mode', () => {
  const { garbageCollection } = mergeSettings([])

  assert.equal(untaggedAfter('ReadOnly', garbageCollection), 7 * dayMs)
  assert.equal(untaggedAfter('ReadWrite', garbageCollection), undefined)
  assert.equal(untaggedAfter('ReadWrite', { ...garbageCollection, untaggedAfterMs: dayMs }), undefined)
  assert.equal(untaggedAfter('ReadOnly', { ...garbageCollection, untaggedAfterMs: 'never' }), undefined)
  assert.equal(untaggedAfter('ReadOnly', { ...garbageCollection, untaggedAfterMs: 0 }), 0)
})

test('the status shows what is in force', () => {
  const { garbageCollection } = mergeSettings([])
  const common = { enabled: true, schedule: '0 0 * * *', grace: 'P1D' }

  assert.deepEqual(describeGarbageSettings('ReadOnly', garbageCollection), { ...common, untaggedAfter: 'P7D' })
  assert.deepEqual(describeGarbageSettings('ReadWrite', garbageCollection), { ...common, untaggedAfter: 'never' })
})
