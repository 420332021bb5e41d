import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  PatternError,
  parseGlob,
  parseLinearPattern
} from '../../../modules/connected-registry/src/sync/linear-pattern.ts'

const matching: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ['v1', ['v1'], ['v11', 'v', 'xv1']],
  ['^v\\d+\\.\\d+$', ['v1.2', 'v10.20'], ['v1', 'v1.2-rc', 'v1x2']],
  ['(?:dev|main)-[0-9a-f]{7}', ['dev-0123abc', 'main-fffffff'], ['dev-0123ab', 'test-0123abc']],
  ['a|b|', ['a', 'b', ''], ['ab']],
  ['[^x-z]+', ['abc'], ['abx', '']],
  ['x{2,3}', ['xx', 'xxx'], ['x', 'xxxx']],
  ['x{2,}', ['xx', 'xxxxxx'], ['x']],
  ['\\w[a-]', ['Aa', '_-'], ['-a']]
]

for (const [pattern, yes, no] of matching)
  test(`${pattern} matches the whole text or not at all`, () => {
    const matches = parseLinearPattern(pattern)

    for (const text of yes) assert.equal(matches(text), true, text)
    for (const text of no) assert.equal(matches(text), false, text)
  })

for (const pattern of [
  '(',
  ')',
  '[',
  'a**',
  '*a',
  'a{2',
  'a{999}',
  '\\b',
  '(?=a)',
  '(?<n>a)',
  '(a)\\1',
  'a^b',
  '[z-a]',
  '[]',
  '[]a]',
  '\\'
])
  test(`${pattern} is refused`, () => {
    assert.throws(() => parseLinearPattern(pattern), PatternError)
  })

test('what would take for ever elsewhere takes no time here, or is too large', () => {
  const text = `${'a'.repeat(128)}b`

  assert.equal(parseLinearPattern('(a*)*(a*)*(a*)*(a|a)*')(text), false)
  assert.equal(parseLinearPattern('(((a?){20}){20})')(text), false)
  assert.throws(() => parseLinearPattern('((a{100}){100}){100}'), PatternError)
})

/** Patterns that both understand, built from their parts. */
const { pattern } = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('a', 'b', '1', '.', '\\.', '-', '\\d', '[ab]', '[^a]', '[a-c1]', '\\w'),
    tie('pattern').map((inner) => `(?:${inner})`)
  ),
  pattern: fc
    .array(fc.tuple(tie('atom'), fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '|')), { maxLength: 4 })
    .map((parts) => parts.map(([atom, more]) => atom + more).join(''))
}))

test('it says what RegExp says', () => {
  fc.assert(
    fc.property(pattern, fc.array(fc.constantFrom('a', 'b', 'c', '1', '.', '-'), { maxLength: 6 }), (source, text) => {
      assert.equal(parseLinearPattern(source)(text.join('')), new RegExp(`^(?:${source})$`).test(text.join('')))
    }),
    { numRuns: 2000 }
  )
})

test('whatever stands in a pattern is one, or is refused', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (source, text) => {
      try {
        assert.equal(typeof parseLinearPattern(source)(text), 'boolean')
      } catch (error) {
        assert.ok(error instanceof PatternError, String(error))
      }
    })
  )
})

test('in a glob all but * and ? stands for itself', () => {
  assert.equal(parseGlob('v1.*')('v1.2'), true)
  assert.equal(parseGlob('v1.*')('v1x2'), false)
  assert.equal(parseGlob('v?')('v12'), false)
  assert.equal(parseGlob('*-alpine')('3.1-alpine'), true)
})
