import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { plan, type ReferenceState } from '../../../modules/connected-registry/src/sync/plan.ts'

const a = digestOf(Buffer.from('a'))
const b = digestOf(Buffer.from('b'))
const c = digestOf(Buffer.from('c'))

const table: readonly (readonly [about: string, state: Omit<ReferenceState, 'reference'>, step: object])[] = [
  ['nothing anywhere', { base: undefined, local: null, parent: null }, { kind: 'none' }],
  ['both as agreed', { base: a, local: a, parent: a }, { kind: 'none' }],
  ['new above', { base: undefined, local: null, parent: a }, { kind: 'copyDown', digest: a }],
  ['moved above', { base: a, local: a, parent: b }, { kind: 'copyDown', digest: b }],
  ['gone above', { base: a, local: a, parent: null }, { kind: 'remove' }],
  ['changed here', { base: a, local: b, parent: a }, { kind: 'copyDown', digest: a }],
  ['gone here', { base: a, local: null, parent: a }, { kind: 'copyDown', digest: a }],
  ['changed on both sides alike', { base: a, local: b, parent: b }, { kind: 'agree', digest: b }],
  ['changed on both sides', { base: a, local: b, parent: c }, { kind: 'copyDown', digest: c }],
  ['changed here, gone above', { base: a, local: b, parent: null }, { kind: 'remove' }],
  ['gone here, moved above', { base: a, local: null, parent: b }, { kind: 'copyDown', digest: b }],
  ['gone on both sides', { base: a, local: null, parent: null }, { kind: 'forget' }],
  ['here before there was a base', { base: undefined, local: a, parent: a }, { kind: 'agree', digest: a }],
  ['here, never agreed on, not above', { base: undefined, local: a, parent: null }, { kind: 'none' }]
]

for (const [about, state, step] of table)
  test(`plan: ${about}`, () => {
    assert.deepEqual(plan({ reference: 'latest', ...state }), step)
  })

const digest = fc.constantFrom<Digest>(a, b, c)
const place = fc.option(digest)
const state = fc.record({
  reference: fc.constant('1.0'),
  base: fc.option(digest, { nil: undefined }),
  local: place,
  parent: place
})

/** What a step does to the world. */
function apply(before: ReferenceState): ReferenceState {
  const step = plan(before)
  if (step.kind === 'copyDown') return { ...before, base: step.digest, local: step.digest }
  if (step.kind === 'agree') return { ...before, base: step.digest }
  if (step.kind === 'remove' || step.kind === 'forget') return { ...before, base: undefined, local: null }
  return before
}

test('plan: one step makes the site hold what the parent holds, and a second round plans nothing', () => {
  fc.assert(
    fc.property(state, (before) => {
      const after = apply(before)

      assert.deepEqual(plan(after), { kind: 'none' })
      if (after.parent !== null) assert.equal(after.local, after.parent)
      else assert.ok(after.local === null || before.base === undefined)
    })
  )
})

test('plan: a parent of another epoch, which shows nothing yet, removes nothing', () => {
  fc.assert(
    fc.property(place, (local) => {
      assert.deepEqual(plan({ reference: '1.0', base: undefined, local, parent: null }), { kind: 'none' })
    })
  )
})
