import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TagRules } from '../../../modules/connected-registry/src/sync/scope-rules.ts'
import { createTagChoice } from '../../../modules/connected-registry/src/sync/tag-rules.ts'

const tags = ['1.0.0', '1.2.0', 'v1.10.0', '2.0.0-rc.1', '2.0.0', 'latest', 'dev-7', '1.2'].map((name, at) => {
  return { name, updatedAt: 1000 - at }
})

const chosen: readonly (readonly [TagRules, readonly string[]])[] = [
  [{ globs: ['1.*', 'dev-*'] }, ['1.0.0', '1.2.0', 'dev-7', '1.2']],
  [{ regex: 'dev-\\d+|latest' }, ['latest', 'dev-7']],
  [{ semver: '>=1.2 <2' }, ['1.2.0', 'v1.10.0']],
  [{ semver: '>=2.0.0-0' }, ['2.0.0-rc.1', '2.0.0']],
  [{ semver: '*', newest: 2 }, ['2.0.0', 'v1.10.0']],
  [{ newest: 3 }, ['1.0.0', '1.2.0', 'v1.10.0']],
  [{ globs: ['*.0'], semver: '1', newest: 1 }, ['v1.10.0']],
  [{ newest: 100 }, tags.map(({ name }) => name)]
]

for (const [rules, names] of chosen)
  test(`${JSON.stringify(rules)} chooses ${names.join(' ')}`, () => {
    assert.deepEqual(createTagChoice(rules)(tags), new Set(names))
  })

test('the newest of tags without a time are not guessed', () => {
  const choose = createTagChoice({ newest: 1 })

  assert.throws(() => choose([{ name: 'a' }, { name: 'b' }]), { code: 'TAG_ORDER_UNKNOWN' })
  assert.deepEqual(choose([{ name: 'a' }]), new Set(['a']))
})
