import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseChildReport } from '../../../modules/connected-registry/src/children/child-reports.ts'

const report = {
  version: '0.1.0',
  connectionState: 'Online',
  mode: 'ReadOnly',
  lastSync: '2026-03-01T00:00:00.000Z',
  pending: { artifacts: 1, bytes: 2 },
  statusDetails: []
} as const

test('a report is taken with those of all below it, and what a newer registry adds is passed over', () => {
  const below = { name: 'lines', connectionState: 'Offline', lastSeen: '2026-03-01T00:00:00Z', report }

  assert.deepEqual(parseChildReport({ ...report, colour: 'blue', children: [{ ...below, more: 1 }] }), {
    ...report,
    children: [below]
  })
})

test('what is wrong in a report is named by its place, and its value is not repeated', () => {
  const wrong = {
    ...report,
    connectionState: 'secret',
    children: [{ name: 'lines', connectionState: 'Online', report: {} }]
  }

  const parsed = parseChildReport(wrong)

  assert.ok('problems' in parsed)
  assert.ok(parsed.problems.some((problem) => problem.startsWith('connectionState: ')))
  assert.ok(parsed.problems.some((problem) => problem.startsWith('children.0.report.version: ')))
  assert.ok(!parsed.problems.join().includes('secret'))
})

test('a name or a code below that no registry has is refused', () => {
  for (const name of ['', 'a/b', '../a', 'a\n', '\u202eevil', 'x'.repeat(51)]) {
    const children = [{ name, connectionState: 'Online' }]
    assert.deepEqual(Object.keys(parseChildReport({ ...report, children })), ['problems'], name)
  }
  const detail = { type: 't', description: '', timestamp: '2026-03-01T00:00:00Z', correlationId: '' }
  const parsed = parseChildReport({ ...report, statusDetails: [{ ...detail, code: 'a\u0000' }] })
  assert.deepEqual(Object.keys(parsed), ['problems'])
})

test('many wrong entries are not each told', () => {
  const parsed = parseChildReport({
    ...report,
    children: Array(200_000).fill(1),
    statusDetails: Array(200_000).fill(1)
  })

  assert.ok('problems' in parsed && parsed.problems.length <= 20)
})

test('a report nested without end is refused, not followed', () => {
  let nested: unknown = report
  for (let level = 0; level < 10_000; level++)
    nested = { ...report, children: [{ name: 'a', connectionState: 'Online', report: nested }] }

  assert.deepEqual(parseChildReport(nested), { problems: ['it is nested too deep'] })
})

test('whatever JSON comes is a report or has problems', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (document) => {
      const parsed = parseChildReport(document)
      assert.ok('version' in parsed || parsed.problems.length > 0)
    })
  )
})
