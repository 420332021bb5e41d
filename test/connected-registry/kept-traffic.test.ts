import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { keepTraffic, noTraffic } from '../../modules/connected-registry/src/kept-traffic.ts'
import { createMemoryRecordStore } from '../../modules/connected-registry/src/storage/memory-records.ts'
import type { Batch } from '../../modules/connected-registry/src/storage/record-store.ts'

const log = createLog({ module: 'test', level: 'None' })

test('what went over the link is counted over restarts', async () => {
  const records = createMemoryRecordStore()
  const first = await keepTraffic(records, () => ({ ...noTraffic, requests: 3, receivedBytes: 700 }), log)
  await first.stop()

  const second = await keepTraffic(records, () => ({ ...noTraffic, requests: 2, writeRequests: 1, sentBytes: 50 }), log)

  const total = { requests: 5, writeRequests: 1, failures: 0, sentBytes: 50, receivedBytes: 700 }
  assert.deepEqual(second.total(), total)
  await second.stop()
  const third = await keepTraffic(records, () => noTraffic, log)
  assert.deepEqual(third.total(), total)
  await third.stop()
})

test('it is written once for many requests, and not where nothing was asked', async () => {
  const records = createMemoryRecordStore()
  let commits = 0
  const counted = {
    ...records,
    commit(batch: Batch) {
      commits++
      return records.commit(batch)
    }
  }
  let requests = 0
  const traffic = await keepTraffic(counted, () => ({ ...noTraffic, requests }), log)

  requests = 100
  await traffic.save()
  await traffic.save()
  await traffic.stop()

  assert.equal(commits, 1)
})

test('a store that cannot take the count stops nothing', async () => {
  const records = { ...createMemoryRecordStore(), commit: () => Promise.reject(new Error('the disk is full')) }
  const traffic = await keepTraffic(records, () => ({ ...noTraffic, requests: 1 }), log)

  await traffic.stop()

  assert.equal(traffic.total().requests, 1)
})
