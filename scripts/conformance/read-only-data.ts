import { anImage, aReferrer, blobsOf } from '../../test/fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../../test/fixtures/push-image.ts'

/** What a registry holds before it stops taking anything in. */
export interface RegistryData {
  readonly tag: string
  readonly manifest: string
  readonly blobs: readonly string[]
}

/** Pushes an image with a referrer. */
export async function pushData(
  url: string,
  repository: string,
  { name, password }: { readonly name: string; readonly password: string }
): Promise<RegistryData> {
  const authorization = basicAuthorization(name, password)
  const image = anImage({ layers: 2 })
  await pushImage(image, { url, repository, tag: 'v1', authorization })
  await pushImage(aReferrer(image, { artifactType: 'application/vnd.example.sbom' }), {
    url,
    repository,
    authorization
  })
  return { tag: 'v1', manifest: image.manifest.descriptor.digest, blobs: [...blobsOf(image).keys()] }
}
