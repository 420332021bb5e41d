import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { companionOf, referrersTag } from '../../../modules/connected-registry/src/protocol/companion-tag.ts'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { isTag } from '../../../modules/connected-registry/src/protocol/reference.ts'

test('a tag about a manifest names it, with whatever ending, and other tags name none', () => {
  const digest = fc
    .tuple(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'))
    .map(([bytes, kind]) => digestOf(bytes, kind))
  const ending = fc.constantFrom('', '.sig', '.att', '.sbom')
  fc.assert(
    fc.property(digest, ending, fc.string(), (subject, end, text) => {
      const tag = referrersTag(subject) + end
      assert.ok(isTag(tag))
      assert.equal(companionOf(tag), referrersTag(subject))
      assert.equal(companionOf(text), undefined)
      for (const other of [`v${tag}`, `${tag}-1`, tag.replace(/[0-9a-f]/, '')]) {
        assert.equal(companionOf(other), undefined, other)
      }
    })
  )
})
