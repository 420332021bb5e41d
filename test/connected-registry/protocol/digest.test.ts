import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { algorithmOf, digestOf, hexOf, parseDigest } from '../../../modules/connected-registry/src/protocol/digest.ts'

test('a digest of any content is read as it was written', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom('sha256' as const, 'sha512' as const), (bytes, algorithm) => {
      const digest = digestOf(bytes, algorithm)

      assert.equal(parseDigest(digest), digest)
      assert.equal(algorithmOf(digest), algorithm)
      assert.equal(`${algorithm}:${hexOf(digest)}`, digest)
    })
  )
})

test('any text is a digest of the right length in lower case hex, or none', () => {
  const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEFg/.'), minLength: 62, maxLength: 130 })
  const text = fc.oneof(
    fc.string(),
    fc.tuple(fc.constantFrom('sha256:', 'sha512:', 'sha1:', ''), hex).map((parts) => parts.join(''))
  )

  fc.assert(
    fc.property(text, (text) => {
      const digest = parseDigest(text)
      assert.equal(digest !== undefined, /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text))
    })
  )
})

for (const text of [
  '',
  'sha256',
  'sha256:',
  ':',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'0'.repeat(64)}\n`,
  `md5:${'0'.repeat(32)}`
]) {
  test(`${JSON.stringify(text)} is no digest`, () => {
    assert.equal(parseDigest(text), undefined)
  })
}
