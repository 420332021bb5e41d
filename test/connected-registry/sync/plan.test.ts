import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Mode } from '../../../modules/connected-registry/src/access/authorize.ts'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { plan, type ReferenceState } from '../../../modules/connected-registry/src/sync/plan.ts'

const a = digestOf(Buffer.from('a'))
const b = digestOf(Buffer.from('b'))
const c = digestOf(Buffer.from('c'))

const none = { kind: 'none' }
const copyDown = (digest: Digest) => ({ kind: 'copyDown', digest })
const agree = (digest: Digest) => ({ kind: 'agree', digest })

type Row = readonly [about: string, state: Omit<ReferenceState, 'reference'>, readOnly: object, readWrite: object]
const table: readonly Row[] = [
  ['nothing anywhere', { base: undefined, local: null, parent: null }, none, none],
  ['both as agreed', { base: a, local: a, parent: a }, none, none],
  ['new above', { base: undefined, local: null, parent: a }, copyDown(a), copyDown(a)],
  ['moved above', { base: a, local: a, parent: b }, copyDown(b), copyDown(b)],
  ['gone above', { base: a, local: a, parent: null }, { kind: 'remove' }, { kind: 'remove' }],
  ['changed here', { base: a, local: b, parent: a }, copyDown(a), none],
  ['gone here', { base: a, local: null, parent: a }, copyDown(a), none],
  ['changed on both sides alike', { base: a, local: b, parent: b }, agree(b), agree(b)],
  ['changed on both sides', { base: a, local: b, parent: c }, copyDown(c), none],
  ['changed here, gone above', { base: a, local: b, parent: null }, { kind: 'remove' }, none],
  ['gone here, moved above', { base: a, local: null, parent: b }, copyDown(b), copyDown(b)],
  ['gone on both sides', { base: a, local: null, parent: null }, { kind: 'forget' }, { kind: 'forget' }],
  ['here before there was a base', { base: undefined, local: a, parent: a }, agree(a), agree(a)],
  ['here and above, never agreed on', { base: undefined, local: a, parent: b }, copyDown(b), none],
  ['here, never agreed on, not above', { base: undefined, local: a, parent: null }, none, none]
]

for (const [about, state, readOnly, readWrite] of table)
  test(`plan: ${about}`, () => {
    assert.deepEqual(plan({ reference: 'latest', ...state }, 'ReadOnly'), readOnly)
    assert.deepEqual(plan({ reference: 'latest', ...state }, 'ReadWrite'), readWrite)
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
function apply(before: ReferenceState, mode: Mode): ReferenceState {
  const step = plan(before, mode)
  if (step.kind === 'copyDown') return { ...before, base: step.digest, local: step.digest }
  if (step.kind === 'agree') return { ...before, base: step.digest }
  if (step.kind === 'remove' || step.kind === 'forget') return { ...before, base: undefined, local: null }
  return before
}

test('plan: one step makes the site hold what the parent holds, and a second round plans nothing', () => {
  fc.assert(
    fc.property(state, (before) => {
      const after = apply(before, 'ReadOnly')

      assert.deepEqual(plan(after, 'ReadOnly'), { kind: 'none' })
      if (after.parent !== null) assert.equal(after.local, after.parent)
      else assert.ok(after.local === null || before.base === undefined)
    })
  )
})

test('plan: a parent of another epoch, which shows nothing yet, removes nothing', () => {
  fc.assert(
    fc.property(place, (local) => {
      for (const mode of ['ReadOnly', 'ReadWrite'] as const)
        assert.deepEqual(plan({ reference: '1.0', base: undefined, local, parent: null }, mode), { kind: 'none' })
    })
  )
})

test('plan: in ReadWrite mode no step undoes what a client pushed, and a second round plans nothing', () => {
  fc.assert(
    fc.property(state, (before) => {
      const after = apply(before, 'ReadWrite')

      assert.deepEqual(plan(after, 'ReadWrite'), { kind: 'none' })
      if (before.local !== null && before.local !== before.base) assert.equal(after.local, before.local)
    })
  )
})
