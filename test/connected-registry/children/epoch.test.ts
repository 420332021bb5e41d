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

test('an epoch that was renewed for is known after a restart, and begins no other one again', async () => {
  const records = createMemoryRecordStore()
  const epoch = await loadEpoch(records, 'store-2')
  const before = epoch.knows('store-1-kx')

  await epoch.renew('store-1-kx')

  const later = await loadEpoch(records, 'store-2')
  assert.equal(before, false)
  for (const shown of ['store-1', 'store-1-ky', 'store-2', later.current, `${later.current}-kx`])
    assert.ok(later.knows(shown), shown)
  assert.equal(later.knows('store-3'), false)
})

test('an epoch that an earlier release noted counts on', async () => {
  const records = createMemoryRecordStore()
  await records.commit({ put: [['gateway:epoch', 'renewed']] })

  assert.equal((await loadEpoch(records, 'store-1')).current, 'renewed')
})
