import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDesiredDocument } from '@connected-registry/edge-module/desired.ts'
import { type Desired, mergePatch } from '@connected-registry/edge-module/twin.ts'
import fc from 'fast-check'

function aDocument() {
  const delivered: Desired[] = []
  return { delivered, document: createDesiredDocument((desired) => delivered.push(desired)) }
}

test('the whole document is delivered once it is read, and again after a patch', () => {
  const { delivered, document } = aDocument()

  document.replace({ $version: 4, a: 1, list: [1, 2] }, undefined)
  const applied = document.apply({ $version: 5, a: null, list: [3] })

  assert.equal(applied, true)
  assert.deepEqual(delivered, [
    { $version: 4, a: 1, list: [1, 2] },
    { $version: 5, list: [3] }
  ])
})

test('a document that did not change is not delivered again', () => {
  const { delivered, document } = aDocument()

  document.replace({ $version: 4, a: 1 }, undefined)
  document.replace({ $version: 4, a: 1, $metadata: { read: 'now' } }, 4)

  assert.equal(delivered.length, 1)
})

test('a replayed or an older patch changes nothing', () => {
  const { delivered, document } = aDocument()
  document.replace({ $version: 4, a: 1 }, undefined)

  assert.equal(document.apply({ $version: 4, a: 2 }), true)
  assert.equal(document.apply({ $version: 3, a: 3 }), true)

  assert.deepEqual(delivered, [{ $version: 4, a: 1 }])
})

test('a patch after a gap, before the first read or without a version asks for a read', () => {
  const { delivered, document } = aDocument()

  assert.equal(document.apply({ $version: 1, a: 1 }), false)
  document.replace({ $version: 4 }, undefined)
  assert.equal(document.apply({ $version: 6, a: 1 }), false)
  assert.equal(document.apply({ a: 1 }), false)

  assert.deepEqual(delivered, [{ $version: 4 }])
})

test('an answer that a patch has overtaken is not taken', () => {
  const { delivered, document } = aDocument()
  document.replace({ $version: 4 }, undefined)
  const heldBefore = document.version
  document.apply({ $version: 5, a: 1 })

  document.replace({ $version: 4 }, heldBefore)

  assert.deepEqual(delivered.at(-1), { $version: 5, a: 1 })
})

test('a twin that begins anew with a lower version is taken', () => {
  const { delivered, document } = aDocument()
  document.replace({ $version: 9, a: 1 }, undefined)

  document.replace({ $version: 1, b: 1 }, document.version)

  assert.deepEqual(delivered.at(-1), { $version: 1, b: 1 })
})

test('with repeated, reordered and lost patches, and a read where one is asked for, the document ends as the hub has it', () => {
  const patch = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(fc.nat(), fc.constant(null)), {
    noNullPrototype: true
  })
  fc.assert(
    fc.property(
      fc.array(patch, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (patches, order) => {
        const { document, delivered } = aDocument()
        const stages: Desired[] = [{ $version: 1 }]
        for (const patch of patches) stages.push(mergePatch(stages.at(-1), { ...patch, $version: stages.length + 1 }))
        document.replace(stages[0]!, undefined)
        for (const [at, pick] of order.entries()) {
          const index = pick % Math.min(patches.length, at + 1)
          if (!document.apply({ ...patches[index], $version: index + 2 }))
            document.replace(stages[index + 1]!, document.version)
          assert.deepEqual(delivered.at(-1), stages[document.version! - 1])
        }
      }
    )
  )
})
