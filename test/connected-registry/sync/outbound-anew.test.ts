import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createChangeLog, type NewChange } from '../../../modules/connected-registry/src/registry/changes.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { noteAnew } from '../../../modules/connected-registry/src/sync/outbound-anew.ts'
import { anImage } from '../../fixtures/image-builder.ts'

const repository = 'plant/app'
const { digest, mediaType, size } = anImage().manifest.descriptor
const count = 1200

/** A log in which a client moved that many tags, and what became of the first three of them. */
async function aLog() {
  const records = createMemoryRecordStore()
  const changes = await createChangeLog(records, () => new Date())
  const moved = (tag: string): NewChange => ({
    ...{ repository, tag, digest, mediaType, size },
    ...{ action: 'tag', origin: 'client:one' }
  })
  const tags = Array.from({ length: count }, (_, at) => `t${at}`)
  await changes.commit(tags.map(moved), {})
  await changes.commit([{ ...moved('t0'), origin: 'parent' }], {})
  await changes.commit([{ ...moved('t1'), action: 'untag' }], {})
  await changes.commit([{ ...moved('t2'), origin: 'child:below' }], {})
  const noted = async () => (await records.list(keys.outbounds, { limit: 2 * count })).map(([key]) => key)
  return { records, registry: { changes }, noted }
}

test('in a new epoch all is noted that was brought here, and that neither the parent moved nor somebody removed since', async () => {
  const { records, registry, noted } = await aLog()

  await noteAnew({ registry, records, epoch: 'first' })
  assert.deepEqual(await noted(), [])
  await noteAnew({ registry, records, epoch: 'second' })

  const keysNoted = await noted()
  assert.equal(keysNoted.length, count - 2)
  for (const tag of ['t0', 't1']) assert.ok(!keysNoted.includes(keys.outbound(repository, tag)))
})

test('what is on its way already stays as it was noted, and one epoch is told once', async () => {
  const { records, registry, noted } = await aLog()
  const known = { sequence: 1, refusal: { local: digest, parent: null, code: 'DENIED', at: '2026-01-01T00:00:00Z' } }
  await records.commit({
    put: [
      [keys.outbound(repository, 't5'), known],
      [keys.outboundEpoch, 'first']
    ]
  })

  await noteAnew({ registry, records, epoch: 'second' })
  assert.deepEqual(await records.get(keys.outbound(repository, 't5')), known)
  await records.commit({ remove: await noted() })
  await noteAnew({ registry, records, epoch: 'second' })

  assert.deepEqual(await noted(), [])
})

test('cut at any batch, it notes the rest the next time', async () => {
  for (let batches = 0; batches < 3; batches++) {
    const { records, registry, noted } = await aLog()
    await records.commit({ put: [[keys.outboundEpoch, 'first']] })

    await assert.rejects(noteAnew({ registry, records: cutAfter(records, batches), epoch: 'second' }), /cut/)
    await noteAnew({ registry, records, epoch: 'second' })

    assert.equal((await noted()).length, count - 2)
  }
})

function cutAfter(records: RecordStore, batches: number): RecordStore {
  let left = batches
  return {
    ...records,
    async commit(batch) {
      if (left-- === 0) throw new Error('cut')
      await records.commit(batch)
    }
  }
}
