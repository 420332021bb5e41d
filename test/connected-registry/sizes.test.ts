import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSettings } from '../../modules/connected-registry/src/settings.ts'
import { readSize } from '../../modules/connected-registry/src/sizes.ts'

test('a size is a number with or without a unit, of 1,000 or of 1,024', () => {
  const sizes = {
    '0': 0,
    '1048576': 1_048_576,
    '50GiB': 50 * 1024 ** 3,
    '2 gb': 2e9,
    '1.5KiB': 1536,
    '20MiB': 20_971_520
  }

  for (const [text, bytes] of Object.entries(sizes)) assert.equal(readSize(text), bytes, text)
})

test('what is no size is refused', () => {
  for (const text of ['', 'GiB', '-1', '1e3', '5 G i B', '5 parsecs', '1.2.3', '0x10', '999999999999TiB']) {
    assert.equal(readSize(text), undefined, text)
  }
})

test('whatever the text, a size is a whole number of bytes or none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,14} ?[kKmMiBbGgtT]{0,4}$/)), (text) => {
      const bytes = readSize(text)
      assert.ok(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0))
    })
  )
})

test('the quota is a setting, and a wrong one is refused by name', () => {
  const good = parseSettings({ storage: { quota: '50GiB' } }, {})
  const bad = parseSettings({ storage: { quota: 'plenty' } }, {})

  assert.deepEqual(good, { kind: 'settings', settings: { storageQuotaBytes: 50 * 1024 ** 3 } })
  assert.deepEqual(bad, { kind: 'refused', problems: ['storage.quota: is not a size such as 50GiB'] })
})
