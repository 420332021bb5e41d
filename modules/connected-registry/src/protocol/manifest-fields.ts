import type { Descriptor, Platform } from './descriptor.ts'
import { type Digest, parseDigest } from './digest.ts'
import { RegistryError } from './errors.ts'
import { isNonDistributable } from './media-types.ts'

/** A parsed JSON object of unknown shape. */
export type Fields = Readonly<Record<string, unknown>>

/** A blob a manifest names. `foreign`: it may be missing here, clients fetch it from its `urls`; we never do. */
export interface BlobDescriptor extends Descriptor {
  readonly foreign: boolean
}

/** `path` says where in the manifest, as in `layers[2].digest`; the empty path is the manifest itself. */
export function invalidManifest(path: string, problem: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { path, problem })
}

export function readObject(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidManifest(path, 'must be an object')
  }
  return value as Fields
}

/** A missing field and null are the same: Go writes null for what is empty. */
export function readString(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalidManifest(path, 'must be a string')
  return value
}

export function readDescriptor(value: unknown, path: string): Descriptor {
  const fields = readObject(value, path)
  const mediaType = readString(fields.mediaType, `${path}.mediaType`)
  if (!mediaType) throw invalidManifest(`${path}.mediaType`, 'must be a media type')
  return {
    mediaType,
    digest: readDigest(fields.digest, `${path}.digest`),
    size: readSize(fields.size, `${path}.size`),
    ...readArtifactType(fields, `${path}.`),
    ...readAnnotations(fields, `${path}.`),
    ...readPlatform(fields.platform, `${path}.platform`)
  }
}

export function readBlob(value: unknown, path: string): BlobDescriptor {
  const descriptor = readDescriptor(value, path)
  const urls = readList((value as Fields).urls, `${path}.urls`, readString)
  return { ...descriptor, foreign: urls.length > 0 && isNonDistributable(descriptor.mediaType) }
}

export function readList<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): readonly T[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalidManifest(path, 'must be an array')
  return value.map((item, index) => read(item, `${path}[${index}]`))
}

export function readArtifactType(fields: Fields, parent: string): { artifactType?: string } {
  const artifactType = readString(fields.artifactType, `${parent}artifactType`)
  return artifactType ? { artifactType } : {}
}

export function readAnnotations(fields: Fields, parent: string): { annotations?: Readonly<Record<string, string>> } {
  if (fields.annotations === undefined || fields.annotations === null) return {}
  const path = `${parent}annotations`
  const entries = Object.entries(readObject(fields.annotations, path))
  const wrong = entries.find(([, value]) => typeof value !== 'string')
  if (wrong) throw invalidManifest(`${path}[${JSON.stringify(wrong[0])}]`, 'must be a string')
  return { annotations: Object.fromEntries(entries) as Record<string, string> }
}

function readDigest(value: unknown, path: string): Digest {
  const digest = typeof value === 'string' ? parseDigest(value) : undefined
  if (!digest) throw invalidManifest(path, 'must be a sha256 or sha512 digest')
  return digest
}

function readSize(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalidManifest(path, 'must be a number of bytes')
}

// A platform only helps to choose: one without its two required fields is left out, not refused.
function readPlatform(value: unknown, path: string): { platform?: Platform } {
  if (value === undefined || value === null) return {}
  const fields = readObject(value, path)
  const os = readString(fields.os, `${path}.os`)
  const architecture = readString(fields.architecture, `${path}.architecture`)
  const variant = readString(fields.variant, `${path}.variant`)
  if (!os || !architecture) return {}
  return { platform: { os, architecture, ...(variant ? { variant } : {}) } }
}
