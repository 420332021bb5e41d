import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createOptionsPieces } from '../../../scripts/deployment/create-options.ts'

test('the pieces of createOptions give the text again, in the order of their names', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 4094, unit: 'grapheme-ascii' }), (text) => {
      const pieces = createOptionsPieces(text)

      assert.deepEqual(Object.keys(pieces), Object.keys(pieces).sort())
      assert.equal(Object.values(pieces).join(''), text)
      assert.ok(Object.values(pieces).every((piece) => piece.length <= 512))
    })
  )
})

test('an object becomes its shortest JSON, and of short createOptions there is one piece', () => {
  assert.deepEqual(createOptionsPieces({ ExposedPorts: { '8000/tcp': {} } }), {
    createOptions: '{"ExposedPorts":{"8000/tcp":{}}}'
  })
  assert.deepEqual(createOptionsPieces(''), { createOptions: '' })
})

test('createOptions of 4 KiB fit, one character more is refused', () => {
  assert.equal(Object.keys(createOptionsPieces('x'.repeat(4096))).at(-1), 'createOptions07')
  assert.throws(() => createOptionsPieces('x'.repeat(4097)), /4097 characters.* 4096/)
})
