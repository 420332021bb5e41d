import assert from 'node:assert/strict'
import { type FsckReport, fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { type Digest, digestOf, parseDigest } from '../../modules/connected-registry/src/protocol/digest.ts'
import { createRegistry } from '../../modules/connected-registry/src/registry/create-registry.ts'
import type { Registry } from '../../modules/connected-registry/src/registry/registry.ts'
import { codeOf } from '../../modules/connected-registry/src/storage/store-error.ts'
import { openStore, type Store } from '../../modules/connected-registry/src/store.ts'
import { carryOut } from './carry-out.ts'
import { keysOf, manifestKey, shownAfter, tagKey } from './expected.ts'
import type { Writer } from './workload.ts'

/**
 * Throws where the store does not open, where fsck finds a problem, or where a repository shows anything but what its writer was told
 * is done (`acknowledged`: steps of each writer), with or without the one step that was under way; or where that one cannot be done
 * again. Resolves to the steps that are done then.
 */
export async function checkStore(
  dataVolume: string,
  workload: readonly Writer[],
  acknowledged: readonly number[]
): Promise<readonly number[]> {
  const report = await examine(dataVolume, acknowledged)
  assert.deepEqual(report?.problems ?? [], [], 'fsck finds problems')
  const store = await openStore(dataVolume)
  try {
    assert.equal(store.state.problem, undefined)
    return await checkWriters(store, workload, acknowledged)
  } finally {
    await store.close()
  }
}

async function checkWriters(
  store: Store,
  workload: readonly Writer[],
  acknowledged: readonly number[]
): Promise<readonly number[]> {
  const registry = await createRegistry(store)
  const done = [...acknowledged]
  const under = workload.map(({ steps }, number) => steps[acknowledged[number] ?? 0])
  // Garbage is collected when all writers have come to it.
  const together = under.every((step) => step?.kind === 'collect garbage')
  for (const [number, writer] of workload.entries()) {
    const count = acknowledged[number] ?? 0
    await checkShown(registry, writer, [count, count + 1])
    const step = under[number]
    if (!step || (step.kind === 'collect garbage' && !together)) continue
    await carryOut(store.blobs, registry, writer.repository, step)
    await checkShown(registry, writer, [count + 1])
    done[number] = count + 1
  }
  return done
}

/** Undefined: there is no store yet, and nobody was told of one. */
async function examine(dataVolume: string, acknowledged: readonly number[]): Promise<FsckReport | undefined> {
  try {
    return await fsck(dataVolume, { content: true })
  } catch (error) {
    if (unmade.includes(codeOf(error)) && acknowledged.every((count) => count === 0)) return undefined
    throw error
  }
}

const unmade: readonly (string | undefined)[] = ['ENOENT', 'STORE_UNFINISHED']

/** Each thing is shown as it is after one of these numbers of steps. */
async function checkShown(registry: Registry, writer: Writer, counts: readonly number[]): Promise<void> {
  const states = counts.map((count) => shownAfter(writer, count))
  const { repository } = writer
  const where = `${repository} after ${counts.join(' or ')} steps`
  for (const key of keysOf(writer)) {
    const shown = await show(registry, repository, key)
    assert.ok(
      states.some((state) => state.get(key) === shown),
      `${where}: ${key} is ${shown}`
    )
  }
  for (const key of await listed(registry, repository)) {
    assert.ok(
      states.some((state) => state.has(key)),
      `${where}: ${key} should not be there`
    )
  }
}

async function listed(registry: Registry, repository: string): Promise<readonly string[]> {
  const tags = await registry.tags.list(repository, { limit: 1000 })
  const manifests = await registry.manifests.list(repository, { limit: 1000 })
  return [...tags.map(tagKey), ...manifests.map(({ digest }) => manifestKey(digest))]
}

/** The digest of what is there, worked out from its bytes. */
async function show(registry: Registry, repository: string, key: string): Promise<Digest | undefined> {
  const [kind, name = ''] = key.split(' ')
  if (kind === 'tag') return (await registry.tags.get(repository, name))?.digest
  const digest = parseDigest(name)!
  if (kind === 'blob') return blobDigest(registry, repository, digest)
  const manifest = await registry.manifests.get(repository, { kind: 'digest', digest })
  return manifest && digestOf(manifest.bytes)
}

async function blobDigest(registry: Registry, repository: string, digest: Digest): Promise<Digest | undefined> {
  if (!(await registry.blobs.stat(repository, digest))) return undefined
  const reader = await registry.blobs.open(repository, digest)
  assert.ok(reader, `${digest} is shown and cannot be read`)
  const bytes = new Uint8Array(reader.size)
  for (let at = 0; at < bytes.length; ) at += await reader.read(bytes.subarray(at))
  await reader.close()
  return digestOf(bytes)
}
