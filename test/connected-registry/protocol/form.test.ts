import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseForm } from '../../../modules/connected-registry/src/protocol/form.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('a field is there once, or it is not there', () => {
  const form = parseForm(bytes('a=1&b=2&b=3&c=&d=x%20y+z%3A&__proto__=p'))!

  assert.deepEqual(['a', 'b', 'c', 'd', 'e', '__proto__', 'constructor'].map(form.one), [
    '1',
    undefined,
    undefined,
    'x y z:',
    undefined,
    'p',
    undefined
  ])
  assert.deepEqual([form.all('b'), form.all('e')], [['2', '3'], []])
})

test('what is not UTF-8 is no form', () => {
  assert.equal(parseForm(new Uint8Array([0x61, 0x3d, 0xff])), undefined)
})

test('whatever fields go into a form, they come out', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (fields) => {
      const form = parseForm(bytes(new URLSearchParams(fields).toString()))!
      for (const [name, value] of fields) assert.equal(form.one(name), value)
    })
  )
})

test('no bytes make the parser fail', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (some, name) => {
      const form = parseForm(some)
      assert.ok(form === undefined || Array.isArray(form.all(name)))
    })
  )
})
