import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatReference,
  isRepositoryName,
  isTag,
  parseReference
} from '../../../modules/connected-registry/src/protocol/reference.ts'

for (const name of ['a', 'a/b/c', 'a-b', 'a--b', 'a.b', 'a_b', 'a__b', '0/1', 'a'.repeat(255)]) {
  test(`"${name.slice(0, 20)}" is a repository's name`, () => {
    assert.ok(isRepositoryName(name))
  })
}

for (const name of [
  '',
  'A',
  'a/',
  '/a',
  'a//b',
  '-a',
  'a-',
  'a..b',
  'a___b',
  'a:b',
  'a b',
  '../a',
  'a/..',
  'a\n',
  'a'.repeat(256)
]) {
  test(`${JSON.stringify(name.slice(0, 20))} is no repository's name`, () => {
    assert.ok(!isRepositoryName(name))
  })
}

test('a tag has up to 128 characters and does not begin with a dot or a dash', () => {
  assert.ok(['latest', '_', '1.0', 'A-b', 'a'.repeat(128)].every(isTag))
  assert.ok(!['', '.a', '-a', 'a:b', 'a/b', 'a b', 'a\n', 'a'.repeat(129)].some(isTag))
})

test('any text is no reference, or one that is written the same', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[\w.-]{1,130}$/), fc.stringMatching(/^sha256:[0-9a-f]{64}$/))
  fc.assert(
    fc.property(text, (text) => {
      const reference = parseReference(text)
      if (reference) assert.equal(formatReference(reference), text)
      assert.equal(reference?.kind === 'tag', isTag(text))
    })
  )
})
