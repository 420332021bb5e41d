import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatBearerChallenge, parseChallenges } from '../../../modules/connected-registry/src/protocol/challenge.ts'

test("ACR's challenge is read", () => {
  const header =
    'Bearer realm="https://r.azurecr.io/oauth2/token",service="r.azurecr.io",scope="repository:a/b:pull,push"'

  assert.deepEqual(parseChallenges(header), [
    {
      scheme: 'bearer',
      realm: 'https://r.azurecr.io/oauth2/token',
      service: 'r.azurecr.io',
      scope: 'repository:a/b:pull,push'
    }
  ])
})

test('several challenges are read apart', () => {
  const header =
    'Negotiate, Basic realm="a, Bearer b", BEARER realm = https://t/ , error="invalid_token", Digest qop=auth'

  assert.deepEqual(parseChallenges(header), [
    { scheme: 'negotiate' },
    { scheme: 'basic', realm: 'a, Bearer b' },
    { scheme: 'bearer', realm: 'https://t/', error: 'invalid_token' },
    { scheme: 'digest' }
  ])
})

test('a name that is there twice keeps its first value', () => {
  assert.equal(parseChallenges('Bearer realm="https://a/", realm="https://b/"')[0]?.realm, 'https://a/')
})

test('what cannot be read is passed over', () => {
  assert.deepEqual(parseChallenges(undefined), [])
  assert.deepEqual(parseChallenges(' , "=", ==, '), [])
  assert.deepEqual(parseChallenges('realm="https://a/"'), [])
  assert.deepEqual(parseChallenges('Bearer realm="https://a/'), [
    { scheme: 'bearer' },
    { scheme: 'https' },
    { scheme: 'a' }
  ])
  assert.deepEqual(parseChallenges('Bearer __proto__="x", constructor="y"'), [{ scheme: 'bearer' }])
})

test('any header is read without failing, and holds only what we know', () => {
  const known = new Set(['scheme', 'realm', 'service', 'scope', 'error'])
  const piece = fc.constantFrom('Bearer ', 'Basic ', 'realm=', '"', '\\', ',', ' ', '=', 'x', 'scope="a b"', '\n')
  const header = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
  )

  fc.assert(
    fc.property(header, (header) => {
      for (const challenge of parseChallenges(header))
        assert.ok(Object.keys(challenge).every((name) => known.has(name)))
    }),
    { numRuns: 1000 }
  )
})

test('a challenge of ours is read as it was meant', () => {
  const value = fc.string({ minLength: 1 })
  const challenge = fc.record(
    { realm: value, service: value, scope: value, error: value },
    { requiredKeys: ['realm'], noNullPrototype: true }
  )

  fc.assert(
    fc.property(challenge, (challenge) => {
      assert.deepEqual(parseChallenges(formatBearerChallenge(challenge)), [{ scheme: 'bearer', ...challenge }])
    })
  )
})
