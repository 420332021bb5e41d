import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRepositoryName } from '../../../modules/connected-registry/src/protocol/reference.ts'
import {
  formatRepositoryPattern,
  isPattern,
  matchesPattern,
  parseRepositoryPattern
} from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'

test('a name chooses itself only', () => {
  assert.deepEqual(chosenBy('a/b'), ['a/b'])
})

test('a prefix chooses what is below it, not itself and not its neighbours', () => {
  assert.deepEqual(chosenBy('a/*'), ['a/b', 'a/b/c'])
})

test('a star chooses everything', () => {
  assert.deepEqual(chosenBy('*'), ['a', 'a/b', 'a/b/c', 'ab', 'b'])
})

for (const text of [
  '',
  '/',
  '/*',
  'a/',
  'a*',
  'a/b*',
  'a/*/b',
  'a/*/b/*',
  '**',
  'a/**',
  '*/a',
  'A',
  'A/*',
  'a//b',
  '../a',
  'a b'
]) {
  test(`"${text}" chooses nothing`, () => {
    assert.equal(parseRepositoryPattern(text), undefined)
  })
}

test('only what may choose several needs a catalog', () => {
  assert.deepEqual(
    ['a/b', 'a/*', '*'].map((text) => isPattern(parseRepositoryPattern(text)!)),
    [false, true, true]
  )
})

test('any text is nothing or a pattern that is written the same', () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom('a', 'b', '/', '*', '-', '.', 'A'), { maxLength: 8 }).map((parts) => parts.join(''))
  )
  fc.assert(
    fc.property(text, (text) => {
      const pattern = parseRepositoryPattern(text)
      if (pattern) assert.equal(formatRepositoryPattern(pattern), text)
      if (isRepositoryName(text)) assert.ok(pattern && matchesPattern(pattern, text))
    }),
    { numRuns: 1000 }
  )
})

function chosenBy(text: string): readonly string[] {
  const pattern = parseRepositoryPattern(text)
  assert.ok(pattern)
  return ['a', 'a/b', 'a/b/c', 'ab', 'b'].filter((repository) => matchesPattern(pattern, repository))
}
