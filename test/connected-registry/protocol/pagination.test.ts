import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { nextLink, parseNextLink, parsePage } from '../../../modules/connected-registry/src/protocol/pagination.ts'

const base = new URL('https://parent.example:5000/v2/app/tags/list?n=5')

test('a page has 100 entries where nothing is said, and never more than 1000', () => {
  assert.deepEqual(parsePage({}), { limit: 100 })
  assert.deepEqual(parsePage({ n: '', last: '' }), { limit: 100 })
  assert.deepEqual(parsePage({ n: '7', last: 'v1' }), { limit: 7, after: 'v1' })
  assert.deepEqual(parsePage({ n: '0' }), { limit: 0 })
  assert.deepEqual(parsePage({ n: '2147483648' }), { limit: 1000 })
  assert.deepEqual(parsePage({ n: '9'.repeat(400) }), { limit: 1000 })
  assert.deepEqual(parsePage({ n: ['3', '4'], last: ['a', 'b'] }), { limit: 3, after: 'a' })
})

for (const n of ['-1', '1e309', '1.5', 'ten', ' 5', '0x10', '+5', 'Infinity', '٣']) {
  test(`a page of "${n}" entries is refused`, () => {
    assert.throws(() => parsePage({ n }), { code: 'PAGINATION_NUMBER_INVALID' })
  })
}

test('any n is a bounded number or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.bigInt().map(String)), (n) => {
      try {
        const { limit } = parsePage({ n })
        assert.ok(Number.isInteger(limit) && limit >= 0 && limit <= 1000)
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'PAGINATION_NUMBER_INVALID')
      }
    })
  )
})

test('the link to the next page leads back to what it was made of', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), fc.string(), (last, n, orderby) => {
      const link = nextLink('/v2/app/tags/list', { n, last }, { orderby })

      const next = parseNextLink(link, base)

      assert.equal(next?.origin, base.origin)
      assert.equal(next.pathname, '/v2/app/tags/list')
      assert.deepEqual(Object.fromEntries(next.searchParams), { last: last.toWellFormed(), n: String(n), orderby })
    })
  )
})

test('the next page is found among other links, and in every way to write it', () => {
  const headers = [
    '</v2/app/tags/list?last=b>; rel="next"',
    '</v2/app/tags/list?last=b>;rel=next',
    '</v2/other>; rel="prev", </v2/app/tags/list?last=b>; title="a, b"; rel="last next"',
    '<?last=b>; REL="next"',
    '<https://parent.example:5000/v2/app/tags/list?last=b>; rel="next"'
  ]

  for (const header of headers) {
    assert.equal(parseNextLink(header, base)?.href, 'https://parent.example:5000/v2/app/tags/list?last=b', header)
  }
})

test('without a link to the next page, this was the last one', () => {
  for (const header of [undefined, '', 'garbage', '</v2/x>; rel="prev"', '</v2/x>', '</v2/x; rel="next"']) {
    assert.equal(parseNextLink(header, base), undefined)
  }
})

const hostile = [
  'https://elsewhere.example/v2/',
  'http://parent.example:5000/v2/',
  'https://parent.example/v2/',
  'https://user:secret@parent.example:5000/v2/',
  '//169.254.169.254/v2/',
  '\\\\elsewhere.example\\v2\\',
  '/admin',
  '/v2',
  '/v2/../admin',
  '/v2/%2e%2e/admin',
  'file:///v2/etc',
  'http://['
]

for (const target of hostile) {
  test(`a link to the next page at ${target} is refused`, () => {
    assert.throws(() => parseNextLink(`<${target}>; rel="next"`, base), /link to the next page/)
  })
}

test('whatever the header says, the next page stays on the origin and in the registry', () => {
  const header = fc.oneof(
    fc.string(),
    fc.webUrl().map((url) => `<${url}>; rel="next"`),
    fc.webPath().map((path) => `<${path}>; rel=next`)
  )
  fc.assert(
    fc.property(header, (header) => {
      const next = nextOrRefused(header)
      if (next) assert.ok(next.origin === base.origin && /^\/(v2|acr)\//.test(next.pathname))
    })
  )
})

function nextOrRefused(header: string): URL | undefined {
  try {
    return parseNextLink(header, base)
  } catch (error) {
    assert.match(String(error), /link to the next page/)
    return undefined
  }
}
