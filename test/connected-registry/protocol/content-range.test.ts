import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatContentRange,
  formatHeldRange,
  parseChunkRange,
  parseContentRange,
  parseRange
} from '../../../modules/connected-registry/src/protocol/content-range.ts'

const whole = { kind: 'whole' } as const
const unsatisfiable = { kind: 'unsatisfiable' } as const
const part = (first: number, last: number) => ({ kind: 'part', first, last }) as const

const ranges = [
  [undefined, whole],
  ['bytes=0-99', part(0, 99)],
  ['bytes=10-10', part(10, 10)],
  ['Bytes=10-', part(10, 99)],
  ['bytes=90-1000', part(90, 99)],
  ['bytes=0-99999999999999999999999999', part(0, 99)],
  ['bytes=-10', part(90, 99)],
  ['bytes=-1000', part(0, 99)],
  ['bytes=-0', unsatisfiable],
  ['bytes=100-', unsatisfiable],
  ['bytes=99999999999999999999999999-', unsatisfiable],
  ['bytes=500-0', unsatisfiable],
  ['bytes=0-1,5-6', whole],
  ['bytes=-', whole],
  ['bytes=', whole],
  ['bytes=a-b', whole],
  ['bytes=+1-2', whole],
  ['items=0-1', whole],
  ['0-1', whole],
  ['', whole]
] as const

for (const [header, expected] of ranges) {
  test(`of 100 bytes, Range "${header}" asks for ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseRange(header, 100), expected)
  })
}

test('of an empty blob every byte is out of reach, its end is the whole', () => {
  assert.deepEqual(parseRange('bytes=0-', 0), unsatisfiable)
  assert.deepEqual(parseRange('bytes=-5', 0), whole)
})

test('a part always lies inside the blob', () => {
  const number = fc.oneof(fc.constant(''), fc.nat().map(String), fc.bigInt({ min: 0n }).map(String), fc.string())
  const header = fc.oneof(
    fc.string(),
    fc.tuple(number, number).map(([first, last]) => `bytes=${first}-${last}`)
  )

  fc.assert(
    fc.property(header, fc.nat(), (header, size) => {
      const range = parseRange(header, size)
      if (range.kind === 'part') assert.ok(0 <= range.first && range.first <= range.last && range.last < size)
    })
  )
})

test('what is written as a Content-Range is read again', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1 }), (first, more, rest) => {
      const range = { first, last: first + more }
      const size = first + more + rest
      assert.deepEqual(parseContentRange(formatContentRange(range, size)), { ...range, size })
    })
  )
  assert.deepEqual(parseContentRange('bytes 5-9/*'), { first: 5, last: 9 })
  assert.equal(formatContentRange(undefined, 7), 'bytes */7')
})

test('a Content-Range that contradicts itself is none', () => {
  const headers = [
    undefined,
    '',
    'bytes */7',
    'bytes 9-5/10',
    'bytes 0-10/10',
    '0-1/2',
    'bytes 0-1',
    'bytes 0-9007199254740993/*'
  ]

  for (const header of headers) assert.equal(parseContentRange(header), undefined)
})

test('any Content-Range is read consistently or not at all', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^bytes \d{1,20}-\d{1,20}\/(\*|\d{1,20})$/)), (header) => {
      const range = parseContentRange(header)
      if (range) assert.ok(range.first <= range.last && (range.size === undefined || range.last < range.size))
    })
  )
})

const chunks = [
  ['0-0', { first: 0, last: 0 }],
  ['5-9', { first: 5, last: 9 }],
  [' 5-9 ', { first: 5, last: 9 }],
  ['bytes 5-9/*', { first: 5, last: 9 }],
  ['bytes 5-9/10', { first: 5, last: 9 }],
  ['bytes 5-9/9', undefined],
  ['9-5', undefined],
  ['5-', undefined],
  ['-5', undefined],
  ['', undefined],
  ['5', undefined],
  ['5-9/10', undefined],
  ['5-9,10-11', undefined],
  ['bytes=5-9', undefined],
  ['+5-9', undefined],
  ['5.0-9', undefined],
  ['0x5-9', undefined],
  ['5 - 9', undefined],
  ['0-9007199254740992', undefined],
  ['99999999999999999999-99999999999999999999', undefined]
] as const

for (const [header, expected] of chunks) {
  test(`the Content-Range "${header}" of a chunk is ${JSON.stringify(expected) ?? 'none'}`, () => {
    assert.deepEqual(parseChunkRange(header), expected)
  })
}

test('the range of a chunk is read as it was written, in either form', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(), fc.boolean(), (first, more, plain) => {
      fc.pre(Number.isSafeInteger(first + more))
      const header = plain ? `${first}-${first + more}` : `bytes ${first}-${first + more}/*`
      assert.deepEqual(parseChunkRange(header), { first, last: first + more })
    })
  )
})

test('any Content-Range of a chunk is read consistently or not at all', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,20}-\d{1,20}$/)), (header) => {
      const range = parseChunkRange(header)
      if (range) assert.ok(0 <= range.first && range.first <= range.last && Number.isSafeInteger(range.last))
    })
  )
})

test('what an upload holds is told as its last byte', () => {
  assert.deepEqual([0, 1, 2, 5000].map(formatHeldRange), ['0-0', '0-0', '0-1', '0-4999'])
})
