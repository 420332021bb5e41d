import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bringApplication } from './application.ts'
import { type ImageDescription, readDockerfile } from './dockerfile.ts'
import type { ImageEntry } from './entries.ts'
import { writeImage, writeSbom } from './image.ts'
import { type Layer, layerOf } from './layer.ts'
import { createLayout, type ImageDescriptor, types } from './layout.ts'
import type { Platform } from './platforms.ts'
import type { Runtime } from './runtime.ts'
import { sbomOf } from './sbom.ts'

export interface BuildOptions {
  readonly root: string
  readonly module: string
  /** One for each platform. */
  readonly runtimes: readonly Runtime[]
  /** The folder of the layout that is written. */
  readonly output: string
}

export interface BuiltImage {
  readonly platform: Platform
  readonly digest: string
  /** Compressed, as a device fetches it. */
  readonly sizeBytes: number
}

/**
 * Builds a module's image for each platform without a container engine, as an OCI image layout: an index tagged with the module's
 * version, each image tagged as `module.json` names it, and a bill of materials referring to each.
 */
export async function buildLayout(options: BuildOptions): Promise<readonly BuiltImage[]> {
  const { root, module, runtimes, output } = options
  const folder = mkdtempSync(join(tmpdir(), 'images-'))
  try {
    const { version } = JSON.parse(readFileSync(join(root, 'modules', module, 'module.json'), 'utf8')).image.tag
    const descriptions = runtimes.map(({ platform }) => describe(root, module, platform.name))
    const { sources, volumes, workingFolder } = descriptions[0]!
    const prefix = workingFolder.slice(1)
    const application = bringApplication({ root, module, sources, prefix, folder })
    const shared = [
      await layerOf(application.dependencies),
      await layerOf([...application.sources, ...volumes.map(volumeOf)])
    ]
    const layout = createLayout(output)
    const images = runtimes.map(({ platform, layer, parts }, index) => {
      const layers = [layer, ...shared]
      const image = writeImage(layout, { description: descriptions[index]!, platform, layers, version })
      const sbom = writeSbom(layout, image.manifest, sbomOf(image.manifest.digest, application.spdx, parts))
      return { ...image, sbom, platform, tag: `${version}-${platform.name}`, sizeBytes: sizeOf(layers) }
    })
    const manifests = images.map(({ manifest }) => manifest)
    const index = layout.putJson(types.index, { schemaVersion: 2, mediaType: types.index, manifests })
    layout.close(
      [
        tagged(index, module, version),
        ...images.map(({ manifest, tag }) => tagged(manifest, module, tag)),
        ...images.map(({ sbom }) => sbom)
      ],
      images.map(({ config, layers, tag }) => ({ name: `${module}:${tag}`, config, layers }))
    )
    return images.map(({ manifest, platform, sizeBytes }) => ({ platform, digest: manifest.digest, sizeBytes }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function describe(root: string, module: string, platform: string): ImageDescription {
  return readDockerfile(readFileSync(join(root, 'modules', module, `Dockerfile.${platform}`), 'utf8'))
}

// A new named volume takes the owner of this folder.
function volumeOf(path: string): ImageEntry {
  return { kind: 'folder', path: path.slice(1), owner: 1000 }
}

// containerd, and so a Docker engine that stands on it, takes the whole name from an annotation of its own.
function tagged(descriptor: ImageDescriptor, module: string, tag: string): ImageDescriptor {
  const whole = `docker.io/library/${module}:${tag}`
  return {
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag, 'io.containerd.image.name': whole }
  }
}

function sizeOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
