import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTicks } from './cloud-registry/clock.ts'
import { parseRange } from './cloud-registry/ranges.ts'
import { grantedActions, parseScopes } from './cloud-registry/scopes.ts'

test('any text is no scope, or one with a type, a name and actions', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (texts) => {
      for (const { type, name, actions } of parseScopes(texts)) assert.ok(type && name && actions.length > 0)
    })
  )
})

test('a scope is read back whole, repeated or joined, whatever its name', () => {
  const name = fc.stringMatching(/^[a-z0-9.:/-]{1,20}$/)
  const actions = fc.uniqueArray(fc.constantFrom('pull', 'push', 'delete', 'metadata_read', '*'), { minLength: 1 })
  const scopes = fc.array(
    fc.record({ type: fc.constantFrom('repository', 'registry'), name, actions }, { noNullPrototype: true })
  )
  fc.assert(
    fc.property(scopes, (wanted) => {
      const texts = wanted.map((scope) => `${scope.type}:${scope.name}:${scope.actions}`)
      assert.deepEqual(parseScopes(texts), wanted)
      assert.deepEqual(parseScopes([texts.join(' ')]), wanted)
    })
  )
})

test('a scope map grants what it names, and a pattern what is below it', () => {
  const granted = (action: string, repository: string) => grantedActions([action], repository).join()

  assert.equal(granted('repositories/demo/app/content/read', 'demo/app'), 'pull')
  assert.equal(granted('repositories/demo/app/content/write', 'demo/app'), 'push')
  assert.equal(granted('repositories/demo/app/metadata/read', 'demo/app'), 'metadata_read')
  assert.equal(granted('repositories/demo/*/content/delete', 'demo/app/x'), 'delete')
  assert.equal(granted('repositories/*/content/read', 'anything'), 'pull')
  assert.equal(granted('repositories/demo/*/content/read', 'demo'), '')
  assert.equal(granted('repositories/demo/app/content/read', 'demo/app2'), '')
  assert.equal(granted('repositories/d*/content/read', 'demo'), '')
  assert.equal(granted('repositories/demo/app/content/other', 'demo/app'), '')
  assert.equal(granted('gateway/site/config/read', 'site'), '')
})

test('a range lies inside the content, whatever the header', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.option(fc.nat(200)), fc.option(fc.nat(200))).map(([a, b]) => `bytes=${a ?? ''}-${b ?? ''}`)
  )
  fc.assert(
    fc.property(header, fc.nat(100), (text, size) => {
      const span = parseRange(text, size)
      if (span === undefined || span === 'unsatisfiable') return
      assert.ok(span.first >= 0 && span.first <= span.last && span.last < size)
    })
  )
})

test('the three forms of a range select what RFC 9110 says', () => {
  assert.deepEqual(parseRange('bytes=2-4', 10), { first: 2, last: 4 })
  assert.deepEqual(parseRange('bytes=2-', 10), { first: 2, last: 9 })
  assert.deepEqual(parseRange('bytes=-3', 10), { first: 7, last: 9 })
  assert.deepEqual(parseRange('bytes=5-100', 10), { first: 5, last: 9 })
  assert.equal(parseRange('bytes=10-', 10), 'unsatisfiable')
  assert.equal(parseRange('bytes=4-2', 10), undefined)
  assert.equal(parseRange(undefined, 10), undefined)
})

test('times grow with every tick, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4e12 }), { minLength: 2 }), (moments) => {
      let at = 0
      const tick = createTicks(() => moments[at++] ?? 0)

      const times = moments.map(tick)

      assert.deepEqual(times, times.toSorted())
      assert.equal(new Set(times).size, times.length)
    })
  )
})
