import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGarbagePolicy } from '../../modules/connected-registry/src/garbage-policy.ts'
import { parseConnectionString } from '../../modules/connected-registry/src/protocol/connection-string.ts'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { parseRepositoryPattern } from '../../modules/connected-registry/src/protocol/repository-pattern.ts'
import { createRegistry } from '../../modules/connected-registry/src/registry/create-registry.ts'
import { mergeSettings, type Settings } from '../../modules/connected-registry/src/settings.ts'
import { createMemoryBlobStore } from '../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../modules/connected-registry/src/storage/memory-records.ts'
import { createBases } from '../../modules/connected-registry/src/sync/bases.ts'
import { createOutbound } from '../../modules/connected-registry/src/sync/outbound.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { pushBlobs } from './registry/open-registry.ts'

const text =
  'ConnectedRegistryName=plant;SyncTokenName=sync;SyncTokenPassword=secret;' +
  'ParentGatewayEndpoint=cloud.westeurope.data.azurecr.io;ParentEndpointProtocol=https'
const connection = parseConnectionString(text, {})
const repositories = [parseRepositoryPattern('app')!]
const digest = digestOf(Buffer.from('manifest'))
const since = '2026-03-01T00:00:00.000Z'
const later = '2026-03-01T00:10:00.000Z'

async function openPolicy(given: Partial<Settings>, { lastSync, epoch = given.connection?.loginServer }: More = {}) {
  const records = createMemoryRecordStore()
  const bases = createBases(records)
  const blobs = createMemoryBlobStore()
  const registry = await createRegistry({ records, blobs })
  const outbound = createOutbound({ registry, records })
  const board = { repository: (name: string) => ({ name, wanted: 0, have: 0, lastSync }) }
  return {
    bases,
    blobs,
    registry,
    policy: createGarbagePolicy({ settings: () => mergeSettings([given]), bases, outbound, board, epoch: () => epoch })
  }
}

interface More {
  readonly lastSync?: string | undefined
  readonly epoch?: string
}

test('a digest that the parent listed when both last agreed is wanted, also out of scope', async () => {
  const { bases, policy } = await openPolicy({ connection, repositories: [] })
  await bases.commit(bases.agreed('app', digest, { digest, epoch: connection.loginServer }))

  assert.equal(await policy().isWanted('app', digest, since), true)
  assert.equal(await policy().isWanted('other', digest, since), false)
})

test('a digest that a connected registry above lists is wanted: what is agreed on with it is of its store', async () => {
  const { bases, policy } = await openPolicy({ connection }, { lastSync: later, epoch: 'store-above' })
  await bases.commit(bases.agreed('app', digest, { digest, epoch: 'store-above' }))

  assert.equal(await policy().isWanted('app', digest, since), true)
})

test('what another parent listed is not wanted', async () => {
  const { bases, policy } = await openPolicy({ connection, repositories: [] })
  await bases.commit(bases.agreed('app', digest, { digest, epoch: 'former.azurecr.io' }))

  assert.equal(await policy().isWanted('app', digest, since), false)
})

test('what came since the repository last agreed whole is wanted: a copy may be under way', async () => {
  const wanted = async (lastSync: string | undefined) =>
    (await openPolicy({ connection, repositories }, { lastSync })).policy().isWanted('app', digest, since)

  assert.deepEqual([await wanted(undefined), await wanted(since), await wanted(later)], [true, true, false])
})

test('without a parent, and out of scope, nothing is waited for', async () => {
  assert.equal(await (await openPolicy({ repositories })).policy().isWanted('app', digest, since), false)
  assert.equal(await (await openPolicy({ connection, repositories })).policy().isWanted('other', digest, since), false)
})

test('the mode and the settings in force decide about what has no tag', async () => {
  assert.equal((await openPolicy({})).policy().untaggedAfterMs, 7 * 24 * 3_600_000)
  assert.equal((await openPolicy({ mode: 'ReadWrite' })).policy().untaggedAfterMs, undefined)
})

test('what a client pushed is wanted until the parent has it, whatever else is in force', async () => {
  const { registry, blobs, policy } = await openPolicy({})
  const image = anImage({ seed: 'pushed' })
  await pushBlobs({ registry, blobs }, 'elsewhere', image)
  await registry.manifests.put('elsewhere', image.manifest, { origin: 'client:line-1' })

  assert.equal(await policy().isWanted('elsewhere', image.manifest.descriptor.digest, since), true)
})
