import { anImage, aReferrer, blobsOf } from '../../test/fixtures/image-builder.ts'
import { type CloudRegistry, createCloudRegistry } from '../../test/simulators/cloud-registry/cloud-registry.ts'
import type { Site } from '../../test/simulators/site.ts'
import { connectionString } from '../../test/simulators/world.ts'

/** What a registry holds that takes nothing in. */
export interface RegistryData {
  readonly repository: string
  readonly tag: string
  readonly manifest: string
  readonly blobs: readonly string[]
}

/** A parent with an image and its referrer, and what a registry below it has of them once they are synced. */
export interface Parent extends CloudRegistry {
  readonly data: RegistryData
}

const repository = 'conformance/held'
const syncTimeoutMs = 60_000
const syncToken = {
  name: 'conformance-sync',
  password: 'a password of the parent',
  actions: [`repositories/${repository}/content/read`, `repositories/${repository}/metadata/read`]
}

export async function startParent(): Promise<Parent> {
  const cloud = createCloudRegistry({ tokens: [syncToken] })
  const image = anImage({ layers: 2 })
  cloud.contents.put(repository, image, 'v1')
  cloud.contents.put(repository, aReferrer(image, { artifactType: 'application/vnd.example.sbom' }))
  await cloud.start()
  const data = { repository, tag: 'v1', manifest: image.manifest.descriptor.digest, blobs: [...blobsOf(image).keys()] }
  return Object.assign(cloud, { data })
}

/** From now on the site follows the parent, and has all of it when this resolves. */
export async function follow(site: Site, parent: Parent): Promise<void> {
  const settings = { connectionString: connectionString(syncToken, parent.loginServer), repositories: [repository] }
  await site.use('ReadOnly', settings)
  await site.synced(AbortSignal.timeout(syncTimeoutMs))
}
