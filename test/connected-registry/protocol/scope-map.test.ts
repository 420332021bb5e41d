import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesPattern } from '../../../modules/connected-registry/src/protocol/repository-pattern.ts'
import { allActions, allows, parseScopeMap } from '../../../modules/connected-registry/src/protocol/scope-map.ts'

test('rules add up, and what no rule names is not allowed', () => {
  const { scopeMap, problems } = parseScopeMap([
    'repositories/a/b/content/read',
    'repositories/a/b/metadata/read',
    'repositories/a/*/content/write',
    'repositories/*/content/delete'
  ])

  assert.deepEqual(problems, [])
  assert.ok(allows(scopeMap, 'content/read', 'a/b'))
  assert.ok(allows(scopeMap, 'metadata/read', 'a/b'))
  assert.ok(allows(scopeMap, 'content/write', 'a/b'))
  assert.ok(allows(scopeMap, 'content/delete', 'z'))
  assert.ok(!allows(scopeMap, 'metadata/write', 'a/b'))
  assert.ok(!allows(scopeMap, 'content/read', 'a/c'))
  assert.ok(!allows(scopeMap, 'content/write', 'a'))
})

test('however many rules there are, they allow what one of them allows', () => {
  const name = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
  const chosen = fc.oneof(
    { weight: 1, arbitrary: fc.constant('*') },
    { weight: 9, arbitrary: name },
    { weight: 9, arbitrary: name.map((prefix) => `${prefix}/*`) }
  )
  const action = fc.constantFrom(...allActions)
  const rules = fc.array(fc.tuple(chosen, action), { maxLength: 40 })
  const odd = fc.constantFrom('', '/', 'a/', '/a', '*', 'a/*', 'a/b/*')

  fc.assert(
    fc.property(rules, fc.oneof(name, odd), action, (texts, repository, wanted) => {
      const { scopeMap } = parseScopeMap(texts.map(([pattern, verb]) => `repositories/${pattern}/${verb}`))
      const isNamed = scopeMap.repositories.some(
        ({ pattern, actions }) => actions.includes(wanted) && matchesPattern(pattern, repository)
      )

      assert.equal(allows(scopeMap, wanted, repository), isNamed)
    }),
    { numRuns: 1000 }
  )
})

test('a name is looked up among very many rules, not compared with each of them', () => {
  const texts = Array.from({ length: 1000 }, (_, at) => `repositories/demo/app-${at}/content/read`)
  const { repositories } = parseScopeMap(texts).scopeMap
  let looks = 0
  const watched = new Proxy(repositories, {
    get(rules, key, self) {
      looks += Number(key !== 'length')
      return Reflect.get(rules, key, self)
    }
  })
  const scopeMap = { repositories: watched, gateways: [] }
  allows(scopeMap, 'content/read', 'demo/app-999')
  looks = 0

  assert.ok(allows(scopeMap, 'content/read', 'demo/app-999'))
  assert.ok(!allows(scopeMap, 'content/write', 'demo/app-999'))

  assert.equal(looks, 0)
})

test('a repository may be called like an action', () => {
  const { scopeMap } = parseScopeMap(['repositories/content/read/content/read'])

  assert.ok(allows(scopeMap, 'content/read', 'content/read'))
})

test("a gateway's name does not depend on its case", () => {
  const { scopeMap } = parseScopeMap(['gateway/MyRegistry/config/read', 'gateway/myregistry/message/write'])

  assert.deepEqual(scopeMap.gateways, [{ name: 'myregistry', actions: ['config/read', 'message/write'] }])
})

const wrong = [
  'repositories/a/*/b/content/read',
  'repositories/a/b*/content/read',
  'repositories/A/content/read',
  'repositories/a/content/execute',
  'repositories/a/config/read',
  'repositories//content/read',
  'repositories/content/read',
  'gateway/a b/config/read',
  'gateway/name/content/read',
  'registries/a/content/read',
  'content/read',
  ''
]

for (const text of wrong) {
  test(`"${text}" grants nothing and is named as a problem`, () => {
    const { scopeMap, problems } = parseScopeMap([text, 'repositories/good/content/read'])

    assert.equal(problems.length, 1)
    assert.ok(problems[0]?.startsWith(`${text}: `))
    assert.deepEqual(scopeMap.gateways, [])
    assert.deepEqual(scopeMap.repositories.length, 1)
  })
}

test('no text allows what it does not spell out', () => {
  const piece = fc.constantFrom(
    'repositories/',
    'gateway/',
    'a',
    'b/',
    '*',
    '/',
    'content/read',
    'metadata/write',
    '..'
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (texts) => {
      const { scopeMap, problems } = parseScopeMap(texts)
      const spelled = ['repositories/a/content/read', 'repositories/*/content/read'].some((rule) =>
        texts.includes(rule)
      )
      assert.equal(allows(scopeMap, 'content/read', 'a'), spelled)
      assert.ok(problems.length <= texts.length)
    }),
    { numRuns: 1000 }
  )
})
