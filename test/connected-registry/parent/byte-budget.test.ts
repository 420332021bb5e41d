import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createByteBudget } from '../../../modules/connected-registry/src/parent/byte-budget.ts'

test('no more than the budget is held at any time, all get theirs in order, and who gives up holds nothing', async () => {
  const limit = 100
  const wishes = fc.array(fc.record({ bytes: fc.nat(150), givesUp: fc.boolean() }), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(wishes, async (each) => {
      const budget = createByteBudget(limit)
      const order: number[] = []
      let held = 0
      const holders = each.map(async ({ bytes, givesUp }, index) => {
        const leaving = new AbortController()
        const holding = budget.hold(bytes, leaving.signal)
        if (givesUp) leaving.abort(new Error('no longer wanted'))
        const release = await holding.catch(() => undefined)
        if (!release) return
        order.push(index)
        held += Math.min(bytes, limit)
        assert.ok(held <= limit)
        await new Promise(setImmediate)
        held -= Math.min(bytes, limit)
        release()
        release()
      })
      await Promise.all(holders)

      const stayed = each.flatMap(({ givesUp }, index) => (givesUp ? [] : [index]))
      assert.deepEqual(
        order.filter((index) => stayed.includes(index)),
        stayed
      )
      const all = await budget.hold(limit, new AbortController().signal)
      all()
    }),
    { numRuns: 50 }
  )
})

test('what is held at once is held only where it is free and nobody waits', async (t) => {
  const budget = createByteBudget(100)
  const first = budget.holdFree(60)
  assert.ok(first)
  assert.equal(budget.holdFree(41), undefined)

  const waiting = budget.hold(80, t.signal)
  assert.equal(budget.holdFree(10), undefined)
  first()
  const second = await waiting
  assert.ok(budget.holdFree(20))
  assert.equal(budget.holdFree(1), undefined)
  second()

  assert.ok(budget.holdFree(80))
})
