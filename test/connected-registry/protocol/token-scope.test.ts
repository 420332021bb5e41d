import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatTokenScope,
  mergeTokenScopes,
  parseTokenScope,
  parseTokenScopes
} from '../../../modules/connected-registry/src/protocol/token-scope.ts'

const scopes = [
  ['repository:a/b:pull,push', { type: 'repository', name: 'a/b', actions: ['pull', 'push'] }],
  ['repository:host:5000/a:pull', { type: 'repository', name: 'host:5000/a', actions: ['pull'] }],
  ['registry:catalog:*', { type: 'registry', name: 'catalog', actions: ['*'] }],
  ['repository:a:metadata_read', { type: 'repository', name: 'a', actions: ['metadata_read'] }],
  ['repository(plugin):a:pull,pull', { type: 'repository', name: 'a', actions: ['pull'] }],
  ['artifact-repository:repo:pull', { type: 'artifact-repository', name: 'repo', actions: ['pull'] }]
] as const

for (const [text, scope] of scopes) {
  test(`"${text}" is a scope`, () => {
    assert.deepEqual(parseTokenScope(text), scope)
  })
}

for (const text of [
  '',
  'repository',
  'repository:a',
  ':a:pull',
  'repository::pull',
  'repository:a:',
  'repository:a:PULL',
  'a b:c:pull',
  'repository:a b:pull'
]) {
  test(`"${text}" is no scope`, () => {
    assert.equal(parseTokenScope(text), undefined)
  })
}

test('scopes come repeated, joined by spaces, or both; the same name is one scope', () => {
  const parsed = parseTokenScopes(['repository:a:pull repository:b:pull', 'garbage', 'repository:a:push,pull'])

  assert.deepEqual(parsed.map(formatTokenScope), ['repository:a:pull,push', 'repository:b:pull'])
})

// Whoever asks has not shown any credentials yet: what grows with the square of these lengths would hold everybody up.
test('very many scopes of one name, and very many actions of one scope, are merged in one pass', () => {
  const word = (at: number) => `a${at.toString(2).replaceAll('0', 'b').replaceAll('1', 'c')}`
  const words = Array.from({ length: 100_000 }, (_, at) => word(at))

  assert.equal(parseTokenScopes(words.map((action) => `repository:a:${action}`))[0]!.actions.length, words.length)
  assert.equal(parseTokenScopes(`repository:a:${words.join(',')}`)[0]!.actions.length, words.length)
})

test('what is written as a scope is read again', () => {
  const name = fc.array(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1 }).map((parts) => parts.join(':'))
  const actions = fc.uniqueArray(fc.constantFrom('pull', 'push', 'delete', 'metadata_read', '*'), { minLength: 1 })
  fc.assert(
    fc.property(
      fc.record({ type: fc.constantFrom('repository', 'registry'), name, actions }, { noNullPrototype: true }),
      (scope) => {
        assert.deepEqual(parseTokenScope(formatTokenScope(scope)), scope)
      }
    )
  )
})

test('any text is a list of scopes, each of which can be written and read again', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom('repository', ':', ' ', ',', 'a', '*', 'pull'), { maxLength: 20 })
      .map((parts) => parts.join(''))
  )
  fc.assert(
    fc.property(fc.array(text), (texts) => {
      const parsed = parseTokenScopes(texts)
      assert.deepEqual(parseTokenScopes(parsed.map(formatTokenScope)), parsed)
      assert.deepEqual(mergeTokenScopes(parsed), parsed)
    })
  )
})
