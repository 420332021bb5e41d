import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Places, type RouteQuestion, route, routesOf } from '../../modules/api-proxy/src/routes.ts'

const at = (host: string) => ({ host, port: 1 })
const onDevice = { registry: at('registry') }
const everything = { ...onDevice, storage: at('blobs'), parent: at('parent'), edgeHub: at('hub') }

function targetOf(places: Places, path: string, headers: RouteQuestion['headers'] = {}) {
  const target = route(routesOf(places), { path, headers })
  return target.kind === 'none' ? 'none' : `${target.kind} ${target.protocol}://${target.address.host}`
}

const kindOf = (path: string) => route(routesOf(onDevice), { path, headers: {} }).kind

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

test('without a registry on the device its paths lead to the parent, and without a parent nowhere', () => {
  for (const path of ['/v2/', '/v2/app/tags/list', '/acr/oauth2/token'])
    assert.deepEqual(
      [everything, { parent: at('parent') }, {}].map((places) => targetOf(places, path)),
      ['registry http://registry', 'parent https://parent', 'none'],
      path
    )
})

test('a plain registry has /v2 in place of the connected one, and nobody else is asked in its name', () => {
  const dockerRegistry = at('docker')

  assert.equal(targetOf({ ...everything, dockerRegistry }, '/v2/'), 'registry http://docker')
  assert.equal(targetOf({ ...everything, dockerRegistry }, '/acr/v1/_catalog'), 'registry http://registry')
  assert.equal(targetOf({ dockerRegistry, parent: at('parent') }, '/acr/v1/_catalog'), 'none')
})

test('what speaks the protocol of blob storage goes to the blob module, whatever its path, else to the parent', () => {
  const headers = { 'x-ms-version': '2019-12-12' }

  for (const path of ['/account/container/a%2Fb%25%20c', '/account//x', '/', '/v2/', '/devices/x', '/a/..b'])
    assert.deepEqual(
      [everything, { parent: at('parent') }, onDevice].map((places) => targetOf(places, path, headers)),
      ['storage http://blobs', 'parent https://parent', 'none'],
      path
    )
  for (const version of ['', '0'])
    assert.equal(targetOf(everything, '/v2/', { 'x-ms-version': version }), 'registry http://registry')
})

test('no path of blob storage climbs out of its container', () => {
  const paths = [
    '/a/../b',
    '/a/%2e%2e/b',
    '/a%2f..%2fb',
    '/a%5C..',
    '/a/.',
    'x',
    'http://a/b',
    '/a\\b',
    '/a%00',
    '/a#b',
    ''
  ]

  for (const path of paths) assert.equal(targetOf(everything, path, { 'x-ms-version': '1' }), 'none', path)
})

test('devices, twins and WebSocket lead to edgeHub, and only WebSocket may become another protocol', () => {
  const table = routesOf(everything)
  const upgrades = (path: string) => {
    const target = route(table, { path, headers: {} })
    return target.kind === 'edgeHub' && target.upgrades === true
  }

  for (const path of ['/devices/d/modules/m/messages/events?api-version=1', '/twins/d/methods', '/devices'])
    assert.deepEqual([targetOf(everything, path), upgrades(path)], ['edgeHub https://hub', false], path)
  for (const path of ['/$iothub/websocket?x=1', '/%24iothub/websocket', '/.iothub/websocket'])
    assert.deepEqual([targetOf(everything, path), upgrades(path)], ['edgeHub https://hub', true], path)
  for (const path of ['/devicesx', '/x/twins/y', '/iothub/websocket', '/modules', '/$iothub'])
    assert.equal(targetOf(everything, path), 'none', path)
  assert.equal(targetOf(everything, '/v2/digital-twins/api/manifests/latest'), 'registry http://registry')
  assert.equal(targetOf(onDevice, '/devices/d'), 'none')
})

test('an added route takes the place of one with its prefix, and the longest prefix counts', () => {
  const target = { kind: 'module', protocol: 'https', address: at('other') } as const
  const added = ['/v2', '/v2/demo', '/metrics'].map((prefix) => ({ prefix, target }))
  const table = routesOf(everything, [...added, { prefix: '/v2/demo/app', target: { ...target, address: at('app') } }])
  const hostOf = (path: string) => {
    const chosen = route(table, { path, headers: {} })
    return chosen.kind === 'none' ? 'none' : chosen.address.host
  }

  assert.deepEqual(['/v2/x', '/v2/demo/app/tags/list', '/v2/demo/x', '/metrics', '/metricsx', '/acr/x'].map(hostOf), [
    'other',
    'app',
    'other',
    'other',
    'none',
    'registry'
  ])
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
