import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import type { Entry, RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { origin } from './garbage-site.ts'
import { pushImage } from './open-registry.ts'

test('a run reads what waits, however much else the store holds', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const store = await createSqliteRecordStore(join(folder, 'records.sqlite'))
  t.after(() => store.close())
  const { records, count } = counted(store)
  const blobs = createMemoryBlobStore()
  let nowMs = Date.parse('2026-03-01T00:00:00Z')
  const registry = await createRegistry({ records, blobs, now: () => new Date(nowMs) })
  await fill(records, 100_000)
  await registry.garbage.collect()
  const image = anImage()
  await pushImage({ registry, blobs, records }, 'small', image, 'v1')

  const idle = await count(() => registry.garbage.collect())
  await registry.manifests.remove('small', image.manifest.descriptor.digest, { origin })
  nowMs += 24 * 3_600_000
  const busy = await count(async () => assert.equal((await registry.garbage.collect()).blobsRemoved, 2))

  assert.deepEqual(idle, { reads: 3, commits: 0 })
  assert.ok(busy.reads < 40 && busy.commits < 12, JSON.stringify(busy))
})

/** Records as pushes leave them, put there directly. */
async function fill(records: RecordStore, manifests: number): Promise<void> {
  await records.commit({ put: [['repository:large', { createdAt: '2026-01-01T00:00:00Z' }]] })
  const numbers = Array.from({ length: manifests }, (_, number) => number)
  for (let at = 0; at < manifests; at += 10_000) {
    await records.commit({ put: numbers.slice(at, at + 10_000).flatMap(entriesOf) })
  }
}

function entriesOf(number: number): readonly Entry[] {
  const digest = `sha256:${String(number).padStart(64, '0')}`
  const link = { mediaType: 'application/vnd.oci.image.index.v1+json', size: 2, manifest: true, blob: false }
  return [
    [`link:large:${digest}`, link],
    [`holder:${digest}:large`, true],
    [`tagged:large:${digest}:v${number}`, true]
  ]
}

function counted(inner: RecordStore) {
  let reads = 0
  let commits = 0
  const records: RecordStore = {
    ...inner,
    get(key) {
      reads++
      return inner.get(key)
    },
    list(prefix, page) {
      reads++
      return inner.list(prefix, page)
    },
    commit(batch) {
      commits++
      return inner.commit(batch)
    }
  }
  return {
    records,
    async count(work: () => Promise<unknown>) {
      const before = { reads, commits }
      await work()
      return { reads: reads - before.reads, commits: commits - before.commits }
    }
  }
}
