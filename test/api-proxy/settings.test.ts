import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSettings } from '../../modules/api-proxy/src/settings.ts'

test('the log level is taken, and is Information where it is not said', () => {
  assert.deepEqual(parseSettings({ logLevel: 'Debug', $version: 3 }), { settings: { logLevel: 'Debug' }, problems: [] })
  assert.deepEqual(parseSettings({ $version: 4 }), { settings: { logLevel: 'Information' }, problems: [] })
})

test("nginx's template is named as a problem, and the rest is taken", () => {
  const { settings, problems } = parseSettings({ proxy_config: 'ZXZlbnRz', logLevel: 'Error' })

  assert.deepEqual(settings, { logLevel: 'Error' })
  assert.match(problems.join(), /^proxy_config: .*nginx.*ignored$/)
})

test('wrong settings are refused as a whole, each problem by its key', () => {
  const { settings, problems } = parseSettings({ logLevel: 'Loud', speed: 1, proxy_config: '' })

  assert.equal(settings, undefined)
  assert.deepEqual(problems.map((problem) => problem.split(':')[0]).sort(), ['logLevel', 'proxy_config', 'speed'])
})

test('any document is either taken or refused with a reason', () => {
  const key = fc.constantFrom('logLevel', 'proxy_config', '$version', '__proto__', 'x')

  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), (document) => {
      const { settings, problems } = parseSettings(document)
      return settings !== undefined || problems.length > 0
    })
  )
})
