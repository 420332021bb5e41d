import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from './layer.ts'

/** OCI's descriptor, and the fields that only some of them have. */
export interface ImageDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string }
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Layout {
  put(mediaType: string, content: Uint8Array | string): ImageDescriptor
  putJson(mediaType: string, content: unknown): ImageDescriptor
  /**
   * Writes what the layout holds, in this order. `archived`: images of it with the names that `docker load` gives them, for a
   * tar of the folder is such an archive as well.
   */
  close(manifests: readonly ImageDescriptor[], archived?: readonly ArchivedImage[]): void
}

export interface ArchivedImage {
  readonly name: string
  readonly config: ImageDescriptor
  readonly layers: readonly ImageDescriptor[]
}

/** A new image layout in `folder` (image-spec, "OCI Image Layout Specification"); what was there is gone. */
export function createLayout(folder: string): Layout {
  const blobs = join(folder, 'blobs', 'sha256')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(blobs, { recursive: true })

  function put(mediaType: string, content: Uint8Array | string): ImageDescriptor {
    const bytes = Buffer.from(content)
    const digest = digestOf(bytes)
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), bytes)
    return { mediaType, digest, size: bytes.length }
  }

  return {
    put,
    putJson: (mediaType, content) => put(mediaType, JSON.stringify(content)),
    close(manifests, archived = []) {
      writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
      writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests }))
      if (archived.length > 0) writeFileSync(join(folder, 'manifest.json'), JSON.stringify(archived.map(archiveEntry)))
    }
  }
}

// moby, image/spec: manifest.json beside the layout, as `docker save` writes both.
function archiveEntry({ name, config, layers }: ArchivedImage) {
  const pathOf = ({ digest }: ImageDescriptor) => `blobs/${digest.replace(':', '/')}`
  return { Config: pathOf(config), RepoTags: [name], Layers: layers.map(pathOf) }
}

export const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
  spdx: 'application/spdx+json'
} as const
