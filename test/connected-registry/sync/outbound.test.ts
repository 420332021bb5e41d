import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createOutbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openRegistry, pushBlobs } from '../registry/open-registry.ts'

test('a change is read from the log as soon as it can be seen, before whoever made it is told', async (t) => {
  const image = anImage()
  const { digest } = image.manifest.descriptor
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const { promise: isApplied, resolve: applied } = Promise.withResolvers<void>()
  const open = await openRegistry(t, {
    afterCommit({ put = [] }) {
      if (!put.some(([key]) => key.includes('v1'))) return
      applied()
      return told
    }
  })
  const outbound = createOutbound(open)
  await pushBlobs(open, 'app', image)
  await outbound.catchUp()

  const pushing = open.registry.manifests.put('app', image.manifest, { origin: 'client:line-1', tag: 'v1' })
  await isApplied
  await outbound.catchUp()

  assert.ok(await outbound.get('app', 'v1'))
  assert.ok(await outbound.get('app', digest))
  tell()
  await pushing
})

test('removals one after the other do not each write how far the log was read, but what a client did meanwhile', async (t) => {
  const image = anImage()
  const tags = ['v1', 'v2', 'v3', 'v4']
  let positions = 0
  const open = await openRegistry(t)
  const { registry, records } = open
  const counted: RecordStore = {
    ...records,
    commit(batch) {
      if (batch.put?.some(([key]) => key === 'log:outbound')) positions++
      return records.commit(batch)
    }
  }
  const outbound = createOutbound({ registry, records: counted })
  await pushBlobs(open, 'app', image)
  for (const tag of tags) await registry.manifests.put('app', image.manifest, { origin: 'parent', tag })
  await outbound.catchUp()
  positions = 0

  const options = { origin: 'parent', lastLook: outbound.readAhead } as const
  for (const tag of tags.slice(0, 3)) await registry.tags.remove('app', tag, options)
  assert.equal(positions, 0)
  await registry.manifests.put('app', image.manifest, { origin: 'client:line-1', tag: 'own' })
  await registry.tags.remove('app', 'v4', options)
  assert.equal(positions, 1)
  assert.ok(await createOutbound(open).get('app', 'own'))
  await outbound.catchUp()
  await outbound.catchUp()

  assert.equal(positions, 2)
})

test('what a client changes while the parent is asked again about refusals keeps nobody from asking about the others', async (t) => {
  const { registry, records } = await openRegistry(t)
  const refusal = {
    local: null,
    parent: anImage().manifest.descriptor.digest,
    code: 'DENIED',
    at: '2026-01-01T00:00:00Z'
  }
  const refused = (tag: string) => [keys.outbound('app', tag), { sequence: 1, refusal }] as const
  await records.commit({ put: [refused('v1'), refused('v2')] })
  const overtaken: RecordStore = {
    ...records,
    async commit(batch) {
      if (batch.put?.[0]?.[0] === keys.outbound('app', 'v1'))
        await records.commit({ put: [[keys.outbound('app', 'v1'), { sequence: 2 }]] })
      return records.commit(batch)
    }
  }

  const outbound = createOutbound({ registry, records: overtaken })
  await outbound.retryRefused()

  assert.deepEqual(Object.fromEntries(await outbound.of('app')), { v1: { sequence: 2 }, v2: { sequence: 1 } })
})
