import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAuthorization } from '../../../modules/connected-registry/src/protocol/authorization.ts'

const base64 = (text: string | Uint8Array) => Buffer.from(text as string).toString('base64')

const headers = [
  ['Bearer a.b.c', { kind: 'bearer', accessToken: 'a.b.c' }],
  ['bearer  a ', { kind: 'bearer', accessToken: 'a' }],
  [`Basic ${base64('reader:secret')}`, { kind: 'basic', name: 'reader', password: 'secret' }],
  [`BASIC ${base64('reader:with:colons:')}`, { kind: 'basic', name: 'reader', password: 'with:colons:' }],
  [`Basic ${base64('reader:')}`, { kind: 'basic', name: 'reader', password: '' }],
  [`Basic ${base64('reader:pässword ☃')}`, { kind: 'basic', name: 'reader', password: 'pässword ☃' }],
  [`Basic ${base64(':secret')}`, undefined],
  [`Basic ${base64('reader')}`, undefined],
  [`Basic ${base64(new Uint8Array([0x72, 0x3a, 0xff, 0xfe]))}`, undefined],
  ['Basic', undefined],
  ['Basic !', undefined],
  [`Digest ${base64('reader:secret')}`, undefined],
  ['', undefined],
  [undefined, undefined]
] as const

for (const [header, shown] of headers) {
  test(`"${header}" shows ${shown?.kind ?? 'nothing'}`, () => {
    assert.deepEqual(parseAuthorization(header), shown)
  })
}

test('whatever name without a colon and whatever password go into a Basic header, they come out', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[:\ufeff]/.test(text))
  const password = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(name, password, (name, password) => {
      const shown = parseAuthorization(`Basic ${base64(`${name}:${password}`)}`)
      assert.deepEqual(shown, { kind: 'basic', name, password })
    })
  )
})

test('no header makes the parser fail', () => {
  const header = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary' }).map((text) => `Basic ${text}`),
    fc.uint8Array().map((bytes) => `Basic ${base64(bytes)}`)
  )
  fc.assert(
    fc.property(header, (text) => {
      const shown = parseAuthorization(text)
      if (shown?.kind === 'basic') assert.ok(shown.name !== '' && !shown.name.includes(':'))
    })
  )
})
