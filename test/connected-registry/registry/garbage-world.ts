import type { ContentSource } from '../../../modules/connected-registry/src/protocol/content.ts'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { copyManifest } from '../../../modules/connected-registry/src/sync/copy.ts'
import { createLocalTarget } from '../../../modules/connected-registry/src/sync/local-target.ts'
import { createManifestMemory } from '../../../modules/connected-registry/src/sync/manifest-memory.ts'
import { openTransferJournal } from '../../../modules/connected-registry/src/sync/transfer-journal.ts'
import { createTransfers, type Transfers } from '../../../modules/connected-registry/src/sync/transfers.ts'
import { anImage, anIndex, aReferrer, type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'

// Few images that share what they can: two with the same configuration, an index over both, a signature of one.
const image = anImage({ seed: 'first', layerSize: 16 })
const twin = anImage({ seed: 'first', layerSize: 16, annotations: { other: 'manifest' } })
const third = anImage({ seed: 'third', layerSize: 16 })
const both = anIndex([image, third])
const signed = aReferrer(image, { artifactType: 'application/vnd.example.signature' })

export const images: readonly BuiltImage[] = [image, twin, third, both, signed]
export const [first, index, signature] = [0, 3, 4]
export const repositories = ['app', 'other'] as const
export const tags = ['v1', 'v2'] as const
export const actions = [
  'push',
  'push',
  'sync',
  'put',
  'tag',
  'untag',
  'untag',
  'remove',
  'mount',
  'upload',
  'drop'
] as const

export interface Step {
  readonly action: (typeof actions)[number] | 'collect'
  readonly repository: (typeof repositories)[number]
  readonly image: number
  readonly tag: (typeof tags)[number] | undefined
}

export const byDigest = new Map(images.flatMap(manifestsOf).map((manifest) => [manifest.descriptor.digest, manifest]))
const blobs = new Map(images.flatMap((image) => [...image.blobs]))
export const imageOf = new Map(images.map((image) => [image.manifest.descriptor.digest, image]))

/** The clients, the parent and the collector of a registry. */
export interface World {
  readonly registry: Registry
  readonly blobs: BlobStore
  readonly transfers: Transfers
}

export async function createWorld(registry: Registry, store: BlobStore): Promise<World> {
  const journal = await openTransferJournal({ blobs: store, records: createMemoryRecordStore() })
  return { registry, blobs: store, transfers: createTransfers({ blobs: store, journal, concurrency: 8 }) }
}

/** What may go wrong where several do things at once; anything else is a fault. */
const refusals = ['MANIFEST_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN', 'CONFLICT']

/** False: refused. */
export async function carryOut(world: World, step: Step): Promise<boolean> {
  try {
    await act(world, step)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && refusals.includes(String(error.code))) return false
    throw error
  }
}

async function act(world: World, { action, repository, image: number, tag }: Step): Promise<unknown> {
  const { registry } = world
  const built = images[number]!
  const { digest } = built.manifest.descriptor
  switch (action) {
    case 'push':
      return push(world, repository, built, tag)
    case 'sync':
      return sync(world, repository, built, tag)
    case 'put':
      return registry.manifests.put(repository, built.manifest, { origin: 'client:ci', tag })
    case 'tag':
      return tag && registry.tags.put(repository, tag, digest, { origin: 'client:ci' })
    case 'untag':
      return tag && registry.tags.remove(repository, tag, { origin: 'client:ci' })
    case 'remove':
      return registry.manifests.remove(repository, digest, { origin: 'client:ci' })
    case 'mount':
      for (const blob of built.blobs.keys()) await registry.blobs.link(repository, { digest: blob, mediaType })
      return
    case 'upload':
      for (const blob of built.blobs.keys()) await upload(world, repository, blob)
      return
    case 'drop':
      return registry.repositories.remove(repository, 'client:ci')
    case 'collect':
      return registry.garbage.collect()
  }
}

const mediaType = 'application/octet-stream'

/** As a client does: skips the blobs that are there. */
async function push(world: World, repository: string, image: BuiltImage, tag: string | undefined): Promise<void> {
  for (const child of image.children) await push(world, repository, child, undefined)
  for (const blob of image.blobs.keys()) {
    if (!(await world.registry.blobs.stat(repository, blob))) await upload(world, repository, blob)
  }
  await world.registry.manifests.put(repository, image.manifest, { origin: 'client:ci', tag })
}

async function upload({ registry, blobs: store }: World, repository: string, digest: Digest): Promise<void> {
  await registry.blobs.hold(digest, async () => {
    const id = await store.beginUpload()
    await store.append(id, one(blobs.get(digest)!), { at: 0 })
    await store.commit(id, digest)
    if (!(await registry.blobs.link(repository, { digest, mediaType }))) throw new Error(`${digest} is gone`)
  })
}

async function sync({ registry, transfers }: World, repository: string, image: BuiltImage, tag: string | undefined) {
  const { digest } = image.manifest.descriptor
  const target = createLocalTarget({ registry, transfers }, repository)
  const job = {
    source,
    target,
    manifests: new Map(),
    blobs: new Map(),
    memory: createManifestMemory(),
    settled: new Set<Digest>()
  }
  await copyManifest(job, digest, AbortSignal.timeout(60_000))
  if (tag) await registry.tags.put(repository, tag, digest, { origin: 'parent' })
}

const source: ContentSource = {
  manifest: async (reference) => (reference.kind === 'digest' ? byDigest.get(reference.digest) : undefined),
  blob: async ({ digest }, offset) => ({ start: offset, bytes: one(blobs.get(digest)!.subarray(offset)) }),
  referrers: async (digest) => (digest === image.manifest.descriptor.digest ? [signed.manifest.descriptor] : [])
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
