import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Mode } from '../../../modules/connected-registry/src/access/authorize.ts'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { plan, type ReferenceState, type SyncStep } from '../../../modules/connected-registry/src/sync/plan.ts'

const a = digestOf(Buffer.from('a'))
const b = digestOf(Buffer.from('b'))
const c = digestOf(Buffer.from('c'))

const [earlier, later] = ['2024-01-01T00:00:00.0000001Z', '2024-01-01T00:00:00.0000002Z']
const modes: readonly Mode[] = ['ReadOnly', 'ReadWrite']

const none = { kind: 'none' }
const remove = { kind: 'remove' }
const forget = { kind: 'forget' }
const removeAbove = { kind: 'removeAbove' }
const down = (digest: Digest) => ({ kind: 'copyDown', digest })
const up = (digest: Digest) => ({ kind: 'copyUp', digest })
const agree = (digest: Digest) => ({ kind: 'agree', digest })
const conflict = (digest: Digest, kept: Digest) => ({ kind: 'conflict', digest, kept })

type Place = Digest | null
type Row = readonly [base: Digest | undefined, local: Place, parent: Place, readOnly: object, readWrite: object]

/** The specification: what is here and what is above, each beside what both last agreed on. */
const table: Readonly<Record<string, readonly Row[]>> = {
  'same here, same above': [
    [a, a, a, none, none],
    [undefined, null, null, none, none]
  ],
  'same here, changed above': [
    [a, a, b, down(b), down(b)],
    [undefined, null, a, down(a), down(a)]
  ],
  'same here, gone above': [[a, a, null, remove, remove]],
  'changed here, same above': [
    [a, b, a, down(a), up(b)],
    [undefined, b, null, none, up(b)]
  ],
  'gone here, same above': [[a, null, a, down(a), removeAbove]],
  'changed here and above, equal': [
    [a, b, b, agree(b), agree(b)],
    [undefined, b, b, agree(b), agree(b)]
  ],
  'gone here and above': [[a, null, null, forget, forget]],
  'changed here, gone above: an edit beats a delete': [[a, b, null, remove, up(b)]],
  'gone here, changed above: an edit beats a delete': [[a, null, b, down(b), down(b)]],
  'changed here and above, different: the parent wins and the other is kept': [
    [a, b, c, down(c), conflict(c, b)],
    [undefined, b, c, down(c), conflict(c, b)]
  ]
}

for (const [about, rows] of Object.entries(table))
  test(`plan: ${about}`, () => {
    for (const [base, local, parent, readOnly, readWrite] of rows) {
      const state = { reference: 'latest', base, local, parent }
      assert.deepEqual(plan(state, 'ReadOnly'), readOnly)
      assert.deepEqual(plan(state, 'ReadWrite'), readWrite)
    }
  })

test('plan: what was put back here is an edit, which beats a delete and no other edit', () => {
  const putBack = { reference: 'latest', base: a, local: a, isTouched: true }

  assert.deepEqual(plan({ ...putBack, parent: null }, 'ReadWrite'), up(a))
  assert.deepEqual(plan({ ...putBack, parent: null, refusal: { local: a, parent: null } }, 'ReadWrite'), none)
  assert.deepEqual(plan({ ...putBack, parent: a }, 'ReadWrite'), none)
  assert.deepEqual(plan({ ...putBack, parent: b }, 'ReadWrite'), down(b))
  assert.deepEqual(plan({ ...putBack, local: null, parent: null }, 'ReadWrite'), forget)
  assert.deepEqual(plan({ ...putBack, parent: null }, 'ReadOnly'), remove)
})

test('plan: what was made anew above is an edit of the same digest, which beats a delete', () => {
  const gone = { reference: 'latest', base: a, local: null, parent: a }
  const agreed = { ...gone, local: a }

  assert.deepEqual(plan({ ...gone, baseSince: earlier, parentSince: later }, 'ReadWrite'), down(a))
  assert.deepEqual(plan({ ...gone, baseSince: earlier, parentSince: earlier }, 'ReadWrite'), removeAbove)
  assert.deepEqual(plan({ ...gone, parentSince: later }, 'ReadWrite'), removeAbove)
  assert.deepEqual(plan({ ...gone, baseSince: earlier }, 'ReadWrite'), removeAbove)
  const refusal = { local: null, parent: a }
  assert.deepEqual(plan({ ...gone, baseSince: earlier, parentSince: later, refusal }, 'ReadWrite'), down(a))
  for (const mode of modes) {
    assert.deepEqual(plan({ ...agreed, baseSince: earlier, parentSince: later }, mode), agree(a), 'it is noted')
    assert.deepEqual(plan({ ...agreed, parentSince: later }, mode), agree(a), 'that was unknown')
    assert.deepEqual(plan({ ...agreed, baseSince: earlier, parentSince: earlier }, mode), none)
    assert.deepEqual(plan({ ...agreed, baseSince: earlier }, mode), none)
  }
  assert.deepEqual(plan({ ...agreed, local: b, baseSince: earlier, parentSince: later }, 'ReadWrite'), up(b))
})

test('plan: what the parent refused is not asked of it again until one of the two digests changes', () => {
  const pushed = { reference: 'latest', base: a, local: b, parent: a }
  const untagged = { reference: 'latest', base: a, local: null, parent: a }

  assert.deepEqual(plan({ ...pushed, refusal: { local: b, parent: a } }, 'ReadWrite'), none)
  assert.deepEqual(plan({ ...pushed, local: c, refusal: { local: b, parent: a } }, 'ReadWrite'), up(c))
  assert.deepEqual(plan({ ...pushed, parent: null, refusal: { local: b, parent: a } }, 'ReadWrite'), up(b))
  assert.deepEqual(plan({ ...pushed, parent: c, refusal: { local: b, parent: a } }, 'ReadWrite'), conflict(c, b))
  assert.deepEqual(plan({ ...untagged, refusal: { local: null, parent: a } }, 'ReadWrite'), none)
  assert.deepEqual(plan({ ...untagged, parent: b, refusal: { local: null, parent: a } }, 'ReadWrite'), down(b))
})

const digest = fc.constantFrom<Digest>(a, b, c)
const place = fc.option(digest)
const since = fc.constantFrom(undefined, earlier, later)
const state = fc.record({
  reference: fc.constant('1.0'),
  base: fc.option(digest, { nil: undefined }),
  local: place,
  parent: place,
  baseSince: since,
  parentSince: since
})
const everyState = { numRuns: 1000 }

/** What a step does to the world. */
function apply(before: ReferenceState, step: SyncStep): ReferenceState {
  switch (step.kind) {
    case 'none':
      return before
    case 'agree':
      return { ...before, base: step.digest, baseSince: before.parentSince }
    case 'copyDown':
      return { ...before, base: step.digest, baseSince: before.parentSince, local: step.digest }
    case 'conflict':
      return { ...before, base: step.digest ?? undefined, baseSince: before.parentSince, local: step.digest }
    case 'copyUp':
      // The parent has not told of it yet.
      return { ...before, base: step.digest, baseSince: undefined, parent: step.digest, parentSince: undefined }
    case 'removeAbove':
      return { reference: before.reference, base: undefined, local: null, parent: null }
    case 'remove':
    case 'forget':
      return { ...before, base: undefined, local: null }
  }
}

test('plan: one step makes the site hold what the parent holds, and a second round plans nothing', () => {
  fc.assert(
    fc.property(state, (before) => {
      const after = apply(before, plan(before, 'ReadOnly'))

      assert.deepEqual(plan(after, 'ReadOnly'), { kind: 'none' })
      if (after.parent !== null) assert.equal(after.local, after.parent)
      else assert.ok(after.local === null || before.base === undefined)
    })
  )
})

test('plan: in ReadWrite mode one step makes both sides equal, and a second round plans nothing', () => {
  fc.assert(
    fc.property(state, (before) => {
      const after = apply(before, plan(before, 'ReadWrite'))

      assert.deepEqual(plan(after, 'ReadWrite'), { kind: 'none' })
      assert.equal(after.local, after.parent)
    }),
    everyState
  )
})

test('plan: in ReadWrite mode no edit is lost, neither of the two of a conflict', () => {
  fc.assert(
    fc.property(state, (before) => {
      const step = plan(before, 'ReadWrite')
      const after = apply(before, step)

      const kept = [after.local, step.kind === 'conflict' ? step.kept : undefined]
      for (const edited of [before.local, before.parent])
        if (edited !== null && edited !== before.base) assert.ok(kept.includes(edited))
      if (before.local === null && isMadeAnew(before)) assert.equal(after.local, before.parent)
    }),
    everyState
  )
})

function isMadeAnew({ base, parent, baseSince, parentSince }: ReferenceState): boolean {
  return parent !== null && parent === base && new Set([undefined, baseSince, parentSince]).size === 3
}

test('plan: in ReadWrite mode what both agree on is deleted above when a client deletes it, and never comes back', () => {
  fc.assert(
    fc.property(state, (before) => {
      const step = plan(before, 'ReadWrite')
      const agreed = apply(before, step)
      if (agreed.parent === null) return

      // Asked by name the parent tells no times, and of what we have just brought there it tells any.
      const told = [agreed.parentSince, undefined, ...(step.kind === 'copyUp' ? [earlier, later] : [])]
      for (const parentSince of told)
        assert.deepEqual(plan({ ...agreed, local: null, parentSince }, 'ReadWrite'), removeAbove)
    }),
    everyState
  )
})

test('plan: a parent of another epoch, which shows nothing yet, removes nothing', () => {
  fc.assert(
    fc.property(place, (local) => {
      for (const mode of modes) {
        const { kind } = plan({ reference: '1.0', base: undefined, local, parent: null }, mode)
        assert.notEqual(kind, 'remove')
        if (mode === 'ReadOnly') assert.equal(kind, 'none')
      }
    })
  )
})

test('plan: in ReadOnly mode the parent is never changed', () => {
  fc.assert(
    fc.property(state, (before) => {
      assert.equal(apply(before, plan(before, 'ReadOnly')).parent, before.parent)
    })
  )
})
