import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSettings } from '../../modules/api-proxy/src/settings.ts'

test('the log level is taken, and is Information where it is not said', () => {
  assert.deepEqual(parseSettings({ logLevel: 'Debug', $version: 3 }), {
    settings: { logLevel: 'Debug', routes: [] },
    problems: []
  })
  assert.deepEqual(parseSettings({ $version: 4 }), { settings: { logLevel: 'Information', routes: [] }, problems: [] })
})

test("nginx's template is named as a problem, and the rest is taken", () => {
  const { settings, problems } = parseSettings({ proxy_config: 'ZXZlbnRz', logLevel: 'Error' })

  assert.deepEqual(settings, { logLevel: 'Error', routes: [] })
  assert.match(problems.join(), /^proxy_config: .*nginx.*ignored, `routes` takes its place$/)
})

test('routes name a prefix, a target and how to speak to it', () => {
  const { settings } = parseSettings({
    routes: [
      { prefix: '/metrics', target: 'prometheus:9090' },
      { prefix: '/v2/mirror', target: '[fd00::1]', protocol: 'https' }
    ]
  })

  assert.deepEqual(settings?.routes, [
    { prefix: '/metrics', target: { kind: 'module', protocol: 'http', address: { host: 'prometheus', port: 9090 } } },
    { prefix: '/v2/mirror', target: { kind: 'module', protocol: 'https', address: { host: 'fd00::1', port: 443 } } }
  ])
})

test('a route that is none is named by its place in the list', () => {
  const good = { prefix: '/a', target: 'a' }
  const wrong = {
    'routes.1.prefix': [
      { ...good, prefix: '/' },
      { ...good, prefix: '/b/' },
      { ...good, prefix: '/../b' }
    ],
    'routes.1.target': [{ prefix: '/b', target: 'http://b' }, { prefix: '/b', target: 'b:0' }, { prefix: '/b' }],
    'routes.1.protocol': [{ prefix: '/b', target: 'b', protocol: 'ftp' }],
    'routes.1': [{ prefix: '/b', target: 'b', speed: 1 }, 7],
    routes: [good]
  }

  for (const [place, entries] of Object.entries(wrong))
    for (const entry of entries) {
      const { settings, problems } = parseSettings({ routes: [good, entry] })
      assert.equal(settings, undefined)
      assert.match(problems.join(), new RegExp(`^${place}(?:\\.speed)?: `), JSON.stringify(entry))
    }
  assert.match(parseSettings({ routes: [{ prefix: '/healthz', target: 'a' }] }).problems.join(), /this module itself/)
  assert.match(parseSettings({ routes: {} }).problems.join(), /^routes: must be a list/)
})

test('wrong settings are refused as a whole, each problem by its key', () => {
  const { settings, problems } = parseSettings({ logLevel: 'Loud', speed: 1, proxy_config: '' })

  assert.equal(settings, undefined)
  assert.deepEqual(problems.map((problem) => problem.split(':')[0]).sort(), ['logLevel', 'proxy_config', 'speed'])
})

test('any document is either taken or refused with a reason', () => {
  const key = fc.constantFrom('logLevel', 'proxy_config', 'routes', '$version', '__proto__', 'x')

  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), (document) => {
      const { settings, problems } = parseSettings(document)
      return settings !== undefined || problems.length > 0
    })
  )
})
