import type { Healthcheck, ImageDescription } from './dockerfile.ts'
import type { Layer } from './layer.ts'
import { type ImageDescriptor, type Layout, types } from './layout.ts'
import type { Platform } from './platforms.ts'

export interface ImageOptions {
  readonly description: ImageDescription
  readonly platform: Platform
  readonly layers: readonly Layer[]
  readonly version: string
}

export interface WrittenImage {
  /** As an index lists it. */
  readonly manifest: ImageDescriptor
  readonly config: ImageDescriptor
  readonly layers: readonly ImageDescriptor[]
}

/** Writes one platform's image. */
export function writeImage(layout: Layout, { description, platform, version, ...options }: ImageOptions): WrittenImage {
  const { architecture, variant } = platform
  const config = layout.putJson(types.config, {
    created: '1970-01-01T00:00:00Z',
    architecture,
    variant,
    os: 'linux',
    config: configOf(description, version),
    rootfs: { type: 'layers', diff_ids: options.layers.map(({ diffId }) => diffId) },
    history: options.layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'npm run images' }))
  })
  const layers = options.layers.map(({ bytes }) => layout.put(types.layer, bytes))
  const manifest = layout.putJson(types.manifest, { schemaVersion: 2, mediaType: types.manifest, config, layers })
  return { manifest: { ...manifest, platform: { architecture, os: 'linux', variant } }, config, layers }
}

/** Writes the bill of materials of an image, as its referrer (image-spec, "Guidelines for Artifact Usage"). */
export function writeSbom(layout: Layout, { mediaType, digest, size }: ImageDescriptor, sbom: string): ImageDescriptor {
  const manifest = layout.putJson(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    artifactType: types.spdx,
    config: layout.put(types.empty, '{}'),
    layers: [layout.put(types.spdx, sbom)],
    subject: { mediaType, digest, size }
  })
  return { ...manifest, artifactType: types.spdx }
}

// image-spec, "Image Configuration": maps in place of sets. Healthcheck is Docker's own field beside them.
function configOf(description: ImageDescription, version: string) {
  const { environment, user, ports, volumes, command, workingFolder, healthcheck } = description
  return {
    User: user,
    ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}])),
    Env: ['PATH=/usr/local/bin', ...environment],
    Cmd: command,
    Volumes: volumes.length > 0 ? Object.fromEntries(volumes.map((path) => [path, {}])) : undefined,
    WorkingDir: workingFolder,
    Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.licenses': 'Apache-2.0' },
    Healthcheck: healthcheck && healthcheckOf(healthcheck)
  }
}

// Docker's durations are nanoseconds.
function healthcheckOf({ command, interval, timeout, startPeriod, retries }: Healthcheck) {
  const nanoseconds = (seconds: number | undefined) => seconds && seconds * 1e9
  return {
    Test: ['CMD', ...command],
    Interval: nanoseconds(interval),
    Timeout: nanoseconds(timeout),
    StartPeriod: nanoseconds(startPeriod),
    Retries: retries
  }
}
