import assert from 'node:assert/strict'
import test from 'node:test'
import { createRemembered } from '../../../modules/connected-registry/src/access/remembered.ts'

test('a fact is recalled by its secret alone, until its time is over', () => {
  let time = 0
  const remembered = createRemembered<number>({ now: () => time, limit: 10 })
  remembered.note('secret', 1, 100)

  assert.equal(remembered.recall('secret'), 1)
  assert.equal(remembered.recall('secre'), undefined)
  time = 100
  assert.equal(remembered.recall('secret'), undefined)
})

test('what was noted the longest ago makes room', () => {
  const remembered = createRemembered<number>({ now: () => 0, limit: 2 })
  remembered.note('a', 1, 100)
  remembered.note('b', 2, 100)
  remembered.note('a', 3, 100)
  remembered.note('c', 4, 100)

  assert.deepEqual(['a', 'b', 'c'].map(remembered.recall), [3, undefined, 4])
})
