import assert from 'node:assert/strict'
import test from 'node:test'
import { exportJWK } from 'jose'
import { loadSigningKey } from '../../../modules/connected-registry/src/access/signing-key.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'

test('the key is made once and is the same ever after, also for two who start together', async () => {
  const records = createMemoryRecordStore()

  const together = await Promise.all([loadSigningKey(records), loadSigningKey(records)])
  const later = await loadSigningKey(records)

  const [first, second, third] = await Promise.all([...together, later].map(({ publicKey }) => exportJWK(publicKey)))
  assert.deepEqual(second, first)
  assert.deepEqual(third, first)
})

test('a record that is no key is an error that does not quote it', async () => {
  const records = createMemoryRecordStore()
  await records.commit({ put: [['identity:access-token-key', { kty: 'EC', d: 'half-a-secret' }]] })

  await assert.rejects(loadSigningKey(records), (error: Error) => {
    assert.match(error.message, /cannot be read/)
    assert.doesNotMatch(`${error.message} ${error.stack} ${String(error.cause)}`, /half-a-secret/)
    return true
  })
})
