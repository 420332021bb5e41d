import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createTakenNames,
  formatTokenNamePattern,
  matchesTokenName,
  parseTokenNamePattern
} from '../../../modules/connected-registry/src/access/token-names.ts'
import type { Token } from '../../../modules/connected-registry/src/access/tokens.ts'
import { emptyScopeMap } from '../../../modules/connected-registry/src/protocol/scope-map.ts'

const nobody = { status: 'enabled', passwords: [], scopeMap: emptyScopeMap } as const

test('a pattern is a name, or the beginning of some', () => {
  const matches = (pattern: string, name: string) => matchesTokenName([parseTokenNamePattern(pattern)!], name)

  assert.equal(matches('site-reader', 'site-reader'), true)
  assert.equal(matches('site-reader', 'site-reader2'), false)
  assert.equal(matches('site-*', 'site-reader'), true)
  assert.equal(matches('site-*', 'Site-reader'), false)
  assert.equal(matches('*', 'anybody'), true)
  for (const junk of ['', 'a', 'site reader', 'site-\u00e9', 'site-'.repeat(26)])
    assert.equal(matches('*', junk), false)
  assert.equal(matchesTokenName([], 'anybody'), false)
})

test('whether a name is taken is looked up: all names are read once, and again where the tokens are others', () => {
  let read = 0
  const named = (name: string) => ({
    ...nobody,
    get name() {
      read++
      return name
    }
  })
  let tokens: readonly Token[] = [named('Site-Reader'), named('writer')]
  const isTaken = createTakenNames(() => tokens)

  assert.deepEqual(['site-reader', 'WRITER', 'site'].map(isTaken), [true, true, false])
  assert.equal(read, 2)
  tokens = [named('other')]
  assert.deepEqual(['other', 'writer'].map(isTaken), [true, false])
})

test('what is neither is none', () => {
  for (const text of ['', 'a', '-a', 's*te', '*-reader', 'site-**', 'site *', 'a:b', 'a/*', 'é*'])
    assert.equal(parseTokenNamePattern(text), undefined, text)
})

test('whatever is read is written as it was', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z][a-z-]{0,5}\*?$/)), (text) => {
      const pattern = parseTokenNamePattern(text)
      if (pattern) assert.equal(formatTokenNamePattern(pattern), text)
    })
  )
})
