import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCounts, readGinkgo, suites } from '../scripts/conformance/suites.ts'

test('the counts of the specification’s program are read, its own errors as failures', () => {
  const line = (status: string, count: number) => `  ${status.padEnd(30, '.')}: ${String(count).padStart(10)}`
  const report = [
    'OCI Conformance Result: FAIL',
    ...[line('Disabled', 1), line('Skip', 2), line('Pass', 971), line('FAIL', 4), line('Error', 5), line('Total', 983)],
    'API conformance:',
    `  ${'Tag listing'.padEnd(30, '.')}:       Pass`
  ]

  assert.deepEqual(readCounts(report.join('\n')), { passed: 971, failed: 9, skipped: 3 })
  assert.equal(readCounts('panic: runtime error'), undefined)
})

test('the last line of the earlier suite is read, colours or not', () => {
  const line =
    '\u001b[32m\u001b[1mSUCCESS!\u001b[0m -- \u001b[32m64 Passed\u001b[0m | \u001b[91m0 Failed\u001b[0m | 0 Pending | 4 Skipped'

  assert.deepEqual(readGinkgo(line), { passed: 64, failed: 0, skipped: 4 })
  assert.deepEqual(readGinkgo('FAIL! -- 11 Passed | 1 Failed | 0 Pending | 56 Skipped'), {
    passed: 11,
    failed: 1,
    skipped: 56
  })
  assert.equal(readGinkgo('listen tcp: address in use'), undefined)
})

test('a registry that takes nothing in is asked for what it holds, and for no change', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const target = {
    url: 'https://127.0.0.1:8000',
    caFile: '/ca.pem',
    repositories: ['held', 'held'] as const,
    folder: '/reports',
    data: { repository: 'held', tag: 'v1', manifest: digest, blobs: [digest, digest] }
  }

  for (const suite of suites.filter(({ program }) => program === 'conformance')) {
    const environment = suite.environment(target)
    assert.equal(environment.OCI_API_PUSH, 'false')
    assert.equal(environment.OCI_RO_DATA_MANIFESTS, digest)
    assert.equal(environment.OCI_RO_DATA_BLOBS, `${digest} ${digest}`)
    // The program looks for this header in an answer that it drops where it does not know the bytes.
    assert.equal(environment.OCI_API_MANIFESTS_DIGEST_HEADER, 'false')
  }
})
