import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Digest } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import { blobPath, type StorePaths, storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { openStore, type Store } from '../../../modules/connected-registry/src/store.ts'
import { anImage, type BuiltImage } from '../../fixtures/image-builder.ts'
import { pushImage } from '../registry/open-registry.ts'

/** A store on the disk with one image, `app:v1`, and nobody in it. */
export interface StoredImage {
  readonly dataVolume: string
  readonly paths: StorePaths
  readonly image: BuiltImage
  /** The digests of its blobs: configuration and two layers. */
  readonly blobs: readonly Digest[]
  /** Opens the store for some work and closes it again. */
  inStore<T>(work: (store: Store) => Promise<T>): Promise<T>
}

export async function aStoredImage(t: TestContext): Promise<StoredImage> {
  const dataVolume = await mkdtemp(join(tmpdir(), 'integrity-'))
  t.after(() => rm(dataVolume, { recursive: true, force: true }))
  const image = anImage({ layers: 2, layerSize: 10_000 })
  const inStore: StoredImage['inStore'] = async (work) => {
    const store = await openStore(dataVolume)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }
  await inStore(async (store) => {
    const { blobs, records } = store
    await pushImage({ registry: await createRegistry(store), blobs, records }, 'app', image, 'v1')
  })
  return { dataVolume, paths: storePaths(dataVolume), image, blobs: [...image.blobs.keys()], inStore }
}

/** As a disk does it: nobody is told. */
export async function flipByte({ blobs }: StorePaths, digest: Digest, at = 100): Promise<void> {
  const path = blobPath(blobs, digest)
  const bytes = await readFile(path)
  bytes[at] = ~(bytes[at] ?? 0) & 0xff
  await writeFile(path, bytes)
}
