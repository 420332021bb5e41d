import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { dayMs } from '../../../modules/connected-registry/src/registry/garbage.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { Entry, RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { type OpenRegistry, pushBlobs, pushImage } from './open-registry.ts'

const now = () => new Date('2026-03-01T00:00:00Z')

test('a store that was filled before there were indexes gets the same ones', async () => {
  const { records, blobs, registry } = await openMemory()
  await fill({ records, blobs, registry })
  const before = await indexOf(records)
  assert.ok(before.length > 20)

  await forget(records)
  await createRegistry({ records, blobs, now })

  assert.deepEqual(await indexOf(records), before)
})

test('a crash while the indexes are made costs nothing: they are made again', async () => {
  const { records, blobs, registry } = await openMemory()
  await fill({ records, blobs, registry })
  const before = await indexOf(records)
  await forget(records)
  let commits = 0
  const failing: RecordStore = {
    ...records,
    commit: (batch) => (++commits === 3 ? Promise.reject(new Error('the power is gone')) : records.commit(batch))
  }

  await assert.rejects(createRegistry({ records: failing, blobs, now }), /power/)
  await createRegistry({ records, blobs, now })

  assert.deepEqual(await indexOf(records), before)
})

test('what nothing named before waits from then on, and goes', async () => {
  const { records, blobs, registry } = await openMemory()
  await fill({ records, blobs, registry })
  await forget(records)
  const policy = () => ({ graceMs: dayMs, untaggedAfterMs: dayMs, isWanted: async () => false })
  const reopened = await createRegistry({ records, blobs, now, policy })

  const late = new Date(now().getTime() + dayMs)
  const report = await reopened.garbage.collect({ now: late })

  assert.deepEqual([report.manifestsRemoved, report.linksRemoved], [1, 2])
})

async function openMemory(): Promise<OpenRegistry> {
  const [records, blobs] = [createMemoryRecordStore(), createMemoryBlobStore()]
  return { records, blobs, registry: await createRegistry({ records, blobs, now }) }
}

async function fill(open: OpenRegistry): Promise<void> {
  const index = anIndex([anImage({ seed: 'a' }), anImage({ seed: 'b' })])
  await pushImage(open, 'app', index, 'v1')
  await pushImage(open, 'app', aReferrer(index, { artifactType: 'application/vnd.example.signature' }))
  await pushImage(open, 'other', anImage({ seed: 'a' }), 'V1')
  await pushImage(open, 'other', anImage({ seed: 'untagged' }))
  await pushBlobs(open, 'other', anImage({ seed: 'unnamed' }))
}

const kinds = /^(holder|use|tagged|review|garbage):/

/** Without what tells one note of a review from another one. */
async function indexOf(records: RecordStore): Promise<readonly Entry[]> {
  const all = (await records.list('', { limit: 100_000 })).filter(([key]) => kinds.test(key))
  return all.map(([key, value]) =>
    key.startsWith('review:') ? [key, { ...(value as object), note: '' }] : [key, value]
  )
}

/** As an earlier version left it. */
async function forget(records: RecordStore): Promise<void> {
  await records.commit({ remove: (await indexOf(records)).map(([key]) => key) })
}
