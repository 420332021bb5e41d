import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bandwidthAt, describeBandwidth, readRate } from '../../modules/connected-registry/src/bandwidth-settings.ts'
import { parseSettings } from '../../modules/connected-registry/src/settings.ts'

function read(bandwidth: unknown) {
  const result = parseSettings({ sync: { bandwidth } }, {})
  return result.kind === 'settings' ? (result.settings.bandwidth ?? []) : result.problems
}

function limitAt(bandwidth: unknown, time: string): number | undefined {
  const result = parseSettings({ sync: { bandwidth } }, {})
  assert.equal(result.kind, 'settings', JSON.stringify(result))
  return result.kind === 'settings' ? bandwidthAt(result.settings.bandwidth, new Date(`2026-11-29T${time}:00Z`)) : 0
}

test('a rate holds all day', () => {
  assert.equal(limitAt('20Mbps', '00:00'), 20_000_000)
  assert.equal(limitAt('512 kbps', '23:59'), 512_000)
  assert.equal(limitAt('1.5Mbit/s', '12:00'), 1_500_000)
})

test('a list limits by the time of day in UTC, and nothing holds outside of it', () => {
  const day = [{ from: '06:00', to: '22:00', limit: '2Mbps' }]
  assert.deepEqual(
    ['05:59', '06:00', '21:59', '22:00'].map((time) => limitAt(day, time)),
    [undefined, 2_000_000, 2_000_000, undefined]
  )
  const night = [{ from: '22:00', to: '06:00', limit: '8Mbps' }]
  assert.deepEqual(
    ['21:59', '22:00', '00:00', '05:59', '06:00'].map((time) => limitAt(night, time)),
    [undefined, 8_000_000, 8_000_000, 8_000_000, undefined]
  )
})

test('where limits overlap the least holds', () => {
  const both = [
    { from: '00:00', to: '24:00', limit: '10Mbps' },
    { from: '08:00', to: '10:00', limit: '1Mbps' }
  ]
  assert.deepEqual([limitAt(both, '07:00'), limitAt(both, '09:00')], [10_000_000, 1_000_000])
})

test('what is no limit is refused, and the problem says where and repeats no value', () => {
  assert.deepEqual(read('fast'), ['sync.bandwidth: is no rate such as 20Mbps'])
  assert.deepEqual(read('1kbps'), ['sync.bandwidth: is less than 8kbps, with which nothing would arrive in time'])
  assert.deepEqual(read([{ from: '6', to: '25:00', limit: '20MB' }]), [
    'sync.bandwidth: 0.from: is no time of day such as 06:00',
    'sync.bandwidth: 0.to: is no time of day such as 06:00',
    'sync.bandwidth: 0.limit: is no rate such as 20Mbps'
  ])
  assert.deepEqual(read(20), ['sync.bandwidth: is neither a rate nor a list of from, to and limit'])
})

test('any text is a rate or none', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const rate = readRate(text)
      assert.ok(rate === undefined || (Number.isSafeInteger(rate) && rate >= 0))
    })
  )
  fc.assert(fc.property(fc.nat(999_999), (megabits) => assert.equal(readRate(`${megabits}Mbps`), megabits * 1_000_000)))
})

test('limits are shown with their hours', () => {
  const night = [{ from: 22 * 60, to: 6 * 60 + 30, bitsPerSecond: 2_000_000 }]
  assert.deepEqual(describeBandwidth(night), ['22:00-06:30 2000000 bit/s'])
})
