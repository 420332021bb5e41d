import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createManifestCache } from '../../../modules/connected-registry/src/registry/manifest-cache.ts'

const digests = ['a', 'b', 'c', 'd'].map((text) => digestOf(Buffer.from(text)))

test('what was asked for last stays, the rest makes room', () => {
  const [a, b, c] = digests as [Digest, Digest, Digest]
  const cache = createManifestCache(20)
  cache.set(a, Buffer.alloc(10))
  cache.set(b, Buffer.alloc(10))

  cache.get(a)
  cache.set(c, Buffer.alloc(10))

  assert.deepEqual(
    [a, b, c].map((digest) => cache.get(digest) !== undefined),
    [true, false, true]
  )
})

test('what is larger than the cache is not kept', () => {
  const cache = createManifestCache(20)

  cache.set(digests[0]!, Buffer.alloc(21))

  assert.equal(cache.get(digests[0]!), undefined)
})

test('the cache never holds more than its limit', () => {
  const step = fc.record({ digest: fc.constantFrom(...digests), size: fc.nat(30) })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const cache = createManifestCache(50)
      for (const { digest, size } of steps) cache.set(digest, Buffer.alloc(size))

      const held = digests.map((digest) => cache.get(digest)?.byteLength ?? 0)
      assert.ok(held.reduce((sum, size) => sum + size, 0) <= 50)
    })
  )
})
