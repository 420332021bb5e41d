import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  diffPatch,
  fitReported,
  isObject,
  type Json,
  type JsonObject,
  mergePatch,
  reportedLimits,
  sizeBytes
} from '@connected-registry/edge-module/twin.ts'
import fc from 'fast-check'
import { createTwins, refusalOf, type Section } from '../simulators/edge-hub/twins.ts'

/** A merge patch cannot say null, so a document has none outside its arrays. */
function withoutNulls(value: Json): Json {
  if (!isObject(value)) return value
  const entries = Object.entries(value).filter(([, item]) => item !== null && item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item!)]))
}

const anyJson = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>
const anyObject: fc.Arbitrary<JsonObject> = fc.dictionary(fc.string(), anyJson, { maxKeys: 8 })
const anyDocument = anyObject.map((object) => withoutNulls(object) as JsonObject)

const anyKey = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 12 }) },
  fc.constantFrom('a.b', '$version', 'has space', 'a#b', '', '__proto__', '\ud800', 'k'.repeat(1025), 'truncated')
)
const anyLeaf = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc
    .tuple(fc.constantFrom('a', '€', '😀', '\ud800'), fc.constantFrom(1023, 1024, 1365, 1366, 4097))
    .map(([unit, count]) => unit.repeat(count)),
  fc.double(),
  fc.constantFrom(null, true, -0, 2 ** 52 - 1, 2 ** 52, -(2 ** 52), -(2 ** 52) - 1, 1e300)
)
const anyState = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 12, depthSize: 'large' },
    { weight: 3, arbitrary: anyLeaf },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 4 }) }
  ),
  object: fc.dictionary(anyKey, tie('value'), { maxKeys: 6 })
})).object

test('a difference, merged, gives the state it was made for', () => {
  fc.assert(
    fc.property(anyDocument, anyDocument, (from, to) => {
      assert.deepEqual(mergePatch(from, diffPatch(from, to)), mergePatch({}, to))
    })
  )
})

test('the difference between equal states is empty', () => {
  fc.assert(fc.property(anyDocument, (state) => assert.deepEqual(diffPatch(state, structuredClone(state)), {})))
})

test('merging the same patch twice changes nothing more', () => {
  fc.assert(
    fc.property(anyDocument, anyObject, (target, patch) => {
      const once = mergePatch(target, patch)

      assert.deepEqual(mergePatch(once, patch), once)
    })
  )
})

test('merging leaves its arguments as they were', () => {
  fc.assert(
    fc.property(anyDocument, anyObject, (target, patch) => {
      const before = JSON.stringify([target, patch])

      mergePatch(target, patch)

      assert.equal(JSON.stringify([target, patch]), before)
    })
  )
})

// RFC 7396, appendix A, those with objects on both sides.
const rfcExamples: readonly (readonly [JsonObject, JsonObject, JsonObject])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }]
]

test('merge patches do what the examples of RFC 7396 say', () => {
  for (const [target, patch, result] of rfcExamples) assert.deepEqual(mergePatch(target, patch), result)
})

test('a removed property is reported as null, an array as a whole', () => {
  const patch = diffPatch({ gone: 1, same: { x: 1 }, list: [1, 2] }, { same: { x: 1, y: 2 }, list: [2] })

  assert.deepEqual(patch, { gone: null, same: { y: 2 }, list: [2] })
})

test('what was fitted is taken by edgeHub, over whatever it holds, and then equals it', () => {
  fc.assert(
    fc.property(anyState, anyState, (first, second) => {
      const twins = createTwins(['m'])
      let held: JsonObject = {}
      for (const state of [first, second]) {
        const fitted = fitReported(state).state
        assert.equal(refusalOf(fitted as Section), undefined)
        const outcome = twins.patchReported('m', diffPatch(held, fitted) as Section)
        if ('refused' in outcome)
          assert.match(outcome.refused, /larger/) // Both at once: the reporter sends two.
        else {
          const { $version: _version, ...reported } = twins.get('m').reported
          assert.deepEqual(reported, fitted)
          held = fitted
        }
      }
    }),
    { numRuns: 60 }
  )
})

test('a fitted state is within the limits, is the same each time, and fits as it is', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const fitted = fitReported(state)

      assert.ok(sizeBytes(fitted.state) <= reportedLimits.documentBytes)
      if (fitted.cut.length > 0) assert.equal(fitted.state.truncated, true)
      assert.deepEqual(fitReported(state), fitted)
      assert.deepEqual(fitReported(fitted.state), { state: fitted.state, cut: [] })
    }),
    { numRuns: 60 }
  )
})

test('a state within the limits is reported as it is', () => {
  const state = { version: '0.1.0', sync: { pending: 3, ratio: 0.5 }, details: [{ code: 'X' }], healthy: true }

  assert.deepEqual(fitReported(state), { state, cut: [] })
})

test('each loss is named, and truncated says that there was one', () => {
  const long = `${'a'.repeat(4095)}€`
  const { state, cut } = fitReported({ kept: 1, long, list: [1, null, 2], big: 2 ** 60, 'a.b': 1, none: null })

  assert.deepEqual(state, { kept: 1, long: 'a'.repeat(4095), list: [1, 2], truncated: true })
  assert.deepEqual(cut, ['long', 'list[1]', 'big', 'a.b'])
})

test('objects and arrays are kept nine deep', () => {
  const nested = (levels: number): JsonObject => (levels === 0 ? { leaf: 1 } : { in: nested(levels - 1) })

  assert.deepEqual(fitReported(nested(8)).cut, [])
  assert.deepEqual(fitReported(nested(9)).cut, ['in.in.in.in.in.in.in.in.in'])
})

test('of a document that is too large the largest sections go first', () => {
  const section = (items: number) => Array.from({ length: items }, () => 'x'.repeat(96))
  const { state, cut } = fitReported({ small: 1, huge: section(200), medium: section(60), large: section(150) })

  assert.deepEqual(Object.keys(state), ['small', 'medium', 'large', 'truncated'])
  assert.deepEqual(cut, ['huge'])
})
