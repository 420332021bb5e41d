import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadEpoch } from '../../../modules/connected-registry/src/children/epoch.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'

test('an epoch is the id of the store until it is renewed, which outlives a restart and a disk that was full meanwhile', async () => {
  const memory = createMemoryRecordStore()
  let isFull = true
  const records: RecordStore = {
    ...memory,
    commit: (batch) => (isFull ? Promise.reject(new Error('no room')) : memory.commit(batch))
  }
  const epoch = await loadEpoch(records, 'store-1')
  await assert.rejects(epoch.renew(), { message: 'no room' })
  assert.equal(epoch.current, 'store-1')

  isFull = false
  await epoch.renew()
  const renewed = epoch.current
  await epoch.renew()

  assert.notEqual(renewed, 'store-1')
  assert.deepEqual([epoch.current, (await loadEpoch(records, 'store-1')).current], [renewed, renewed])
})
