import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { route } from '../../modules/api-proxy/src/routes.ts'

const kindOf = (path: string) => route({ method: 'GET', path, headers: {} }).kind

test('everything of the registry is under /v2 and /acr', () => {
  const paths = [
    '/v2',
    '/v2/',
    '/v2?x=1',
    '/v2/_catalog?n=10&last=a%2Fb',
    '/v2/app/manifests/sha256:abc',
    '/v2/app/manifests/sha256%3Aabc',
    '/v2/digital-twins/api/manifests/latest',
    '/v2/devices/twins/tags/list',
    '/v2/app/blobs/uploads/?mount=sha256:abc&from=../x',
    '/acr',
    '/acr/oauth2/token?service=a:8000&scope=repository:app:pull',
    '/acr/v1/app/_tags/v1..2',
    '/acr/gateway/v1'
  ]

  for (const path of paths) assert.equal(kindOf(path), 'registry', path)
})

test('a path that only begins with the same letters is not the registry', () => {
  for (const path of ['/v2x', '/v2.', '/V2/', '/acrfoo', '/v', '/', '', '*', 'v2/', '/devices/v2/', '/status?/v2/'])
    assert.equal(kindOf(path), 'none', path)
})

test('a path that could be read as another one goes nowhere', () => {
  const paths = [
    '/v2/../status',
    '/v2/..',
    '/v2/.',
    '/v2/./x',
    '/x/../v2/',
    '//v2',
    '//v2/app',
    '/v2//app',
    '/v2/%2e%2e/status',
    '/v2/.%2E/status',
    '/v2/%2e',
    '/v2%2fapp',
    '/%76%32/../x',
    '/v2/a%2f..%2f..%2fstatus',
    '/v2/a%5c..%5cstatus',
    '/v2/%252e%252e/status',
    '/v2/..\\status',
    '/v2\\..\\status',
    '/v2/%00/app',
    '/v2/%0d%0aX:y',
    '/v2/%zz/app',
    '/v2/#/../../status',
    '/v2/a b',
    'http://elsewhere/v2/',
    'http:/v2/',
    '/http://elsewhere/v2/'
  ]

  for (const path of paths) assert.equal(kindOf(path), 'none', path)
})

test('no path leads to the registry that leaves its prefix once it is decoded and its dot segments are removed', () => {
  const piece = fc.constantFrom(
    '/',
    'v2',
    'acr',
    '.',
    '..',
    '%2e',
    '%2F',
    '%5C',
    '%25',
    '2e',
    '2f',
    '\\',
    '?',
    '#',
    'x',
    ':'
  )
  const anyPath = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 10 }).map((pieces) => `/v2/${pieces.join('')}`),
    fc.string({ unit: 'binary' }).map((end) => `/acr/${end}`),
    fc.webUrl({ withQueryParameters: true })
  )

  fc.assert(
    fc.property(anyPath, (path) => {
      if (kindOf(path) === 'none') return true
      const [first = ''] = path.split('?')
      return readings(first).every((reading) => ['v2', 'acr'].includes(firstSegment(reading)))
    }),
    { numRuns: 5_000 }
  )
})

/** The path as it is, decoded once, and decoded until nothing is left to decode. */
function readings(path: string): string[] {
  const decoded = decodeURIComponent(path)
  return decoded === path ? [path] : [path, ...readings(decoded)]
}

/** RFC 3986, 5.2.4, with backslashes and repeated slashes taken for one slash, as some servers do. */
function firstSegment(path: string): string {
  const segments: string[] = []
  for (const segment of path.split(/[/\\]+/)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  return segments[0] ?? ''
}
