import assert from 'node:assert/strict'
import test from 'node:test'
import { loadSigningKeys } from '../../../modules/connected-registry/src/access/signing-keys.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'

const day = 24 * 3_600_000
const recordKey = 'identity:signing-keys'

function aClock() {
  const clock = { time: Date.parse('2026-01-01T00:00:00Z'), now: () => clock.time }
  return clock
}

test('the keys are made once and are the same ever after, also for two who start together', async () => {
  const records = createMemoryRecordStore()

  const together = await Promise.all([loadSigningKeys(records), loadSigningKeys(records)])
  const later = await loadSigningKeys(records)

  const [first, second, third] = await Promise.all([...together, later].map((keys) => keys.current()))
  assert.deepEqual([second!.id, third!.id], [first!.id, first!.id])
  assert.deepEqual(later.refreshSecret, together[0]!.refreshSecret)
  assert.equal(later.refreshSecret.length, 32)
})

test('after a month another key signs, and the former one verifies for an hour more, over a restart too', async () => {
  const records = createMemoryRecordStore()
  const clock = aClock()
  const keys = await loadSigningKeys(records, clock)
  const first = await keys.current()

  clock.time += 30 * day - 1
  assert.equal((await keys.current()).id, first.id)
  clock.time += 1
  const [second, together] = await Promise.all([keys.current(), keys.current()])
  const restarted = await loadSigningKeys(records, clock)

  assert.notEqual(second.id, first.id)
  assert.equal(together.id, second.id)
  assert.equal((await restarted.current()).id, second.id)
  for (const one of [keys, restarted]) {
    assert.ok(one.publicKey(first.id))
    assert.ok(one.publicKey(second.id))
    assert.equal(one.publicKey('another'), undefined)
  }
  clock.time += 3_600_000
  for (const one of [keys, restarted]) assert.equal(one.publicKey(first.id), undefined)
  assert.deepEqual(restarted.refreshSecret, keys.refreshSecret)
})

test('a key that was made while the clock was far ahead does not stay for ever', async () => {
  const clock = aClock()
  const keys = await loadSigningKeys(createMemoryRecordStore(), clock)
  const first = await keys.current()

  clock.time -= 365 * day

  assert.notEqual((await keys.current()).id, first.id)
})

test('where the new key cannot be kept the former one signs on, and an hour later it is tried again', async () => {
  const memory = createMemoryRecordStore()
  const clock = aClock()
  const failures: unknown[] = []
  let isFull = false
  const commit: RecordStore['commit'] = async (batch) => {
    if (isFull) throw new Error('no space left')
    await memory.commit(batch)
  }
  const options = { now: clock.now, onFailure: (error: unknown) => void failures.push(error) }
  const keys = await loadSigningKeys({ get: memory.get, commit }, options)
  const first = await keys.current()

  isFull = true
  clock.time += 30 * day
  assert.equal((await keys.current()).id, first.id)
  assert.equal((await keys.current()).id, first.id)
  assert.equal(failures.length, 1)
  isFull = false
  clock.time += 3_600_000
  assert.notEqual((await keys.current()).id, first.id)
})

test('a new key that was kept though the store said it was not is the one that signs next', async () => {
  const memory = createMemoryRecordStore()
  const clock = aClock()
  let isLost = false
  const commit: RecordStore['commit'] = async (batch) => {
    await memory.commit(batch)
    if (isLost) throw new Error('the answer was lost')
  }
  const keys = await loadSigningKeys({ get: memory.get, commit }, clock)
  const first = await keys.current()

  isLost = true
  clock.time += 30 * day
  assert.equal((await keys.current()).id, first.id)
  clock.time += 3_600_000
  const second = await keys.current()

  assert.notEqual(second.id, first.id)
  assert.equal((await (await loadSigningKeys(memory, clock)).current()).id, second.id)
})

test('a record that is no key is an error that does not quote it', async () => {
  const records = createMemoryRecordStore()
  await records.commit({ put: [[recordKey, { current: { d: 'half-a-secret' } }]] })

  await assert.rejects(loadSigningKeys(records), (error: Error) => {
    assert.match(error.message, /cannot be read/)
    assert.doesNotMatch(`${error.message} ${error.stack} ${String(error.cause)}`, /half-a-secret/)
    return true
  })
})
