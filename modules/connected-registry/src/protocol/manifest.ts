import type { Descriptor } from './descriptor.ts'
import {
  type BlobDescriptor,
  type Fields,
  invalidManifest,
  readAnnotations,
  readArtifactType,
  readBlob,
  readDescriptor,
  readList,
  readObject,
  readString
} from './manifest-fields.ts'
import { essence, isDockerSchema1, type ManifestKind, manifestKind, mediaTypes } from './media-types.ts'

/** What a registry needs to know of a manifest; its bytes stay as they came. */
export interface Manifest {
  readonly kind: ManifestKind
  readonly mediaType: string
  readonly config?: BlobDescriptor
  /** An image's config and layers, in this order; none in an index. */
  readonly blobs: readonly BlobDescriptor[]
  /** An index's manifests; none in an image. */
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  /** As a referrers list shows it (distribution-spec, "Listing Referrers"): an image's falls back to its config's media type. */
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** distribution-spec, "Pushing Manifests": registries should take at least 4 MiB; ours takes exactly that. */
export const manifestSizeLimit = 4 * 1024 * 1024
const depthLimit = 64
const descriptorLimit = 10_000

/**
 * Checks a manifest and reads what it names. `mediaType` is what it was declared to be (Content-Type or descriptor).
 * Throws RegistryError MANIFEST_INVALID with `{ path, problem }` as its detail.
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const body = parseBody(bytes)
  refuseSchema1(body, mediaType)
  const type = agreedMediaType(body, mediaType)
  const kind = manifestKind(type)
  if (!kind) throw invalidManifest('mediaType', `${type} is not supported`)
  refuseConfusion(body, kind)
  return kind === 'image' ? readImage(body, type) : readIndex(body, type)
}

function readImage(body: Fields, mediaType: string): Manifest {
  const config = readBlob(body.config, 'config')
  const layers = readList(body.layers, 'layers', readBlob)
  refuseTooMany(layers.length)
  const common = readCommon(body)
  return {
    kind: 'image',
    mediaType,
    config,
    blobs: [config, ...layers],
    manifests: [],
    ...common,
    artifactType: common.artifactType ?? config.mediaType
  }
}

function readIndex(body: Fields, mediaType: string): Manifest {
  const manifests = readList(body.manifests, 'manifests', readDescriptor)
  refuseTooMany(manifests.length)
  return { kind: 'index', mediaType, blobs: [], manifests, ...readCommon(body) }
}

function readCommon(body: Fields): Pick<Manifest, 'subject' | 'artifactType' | 'annotations'> {
  const named = body.subject !== undefined && body.subject !== null
  return {
    ...(named ? { subject: readDescriptor(body.subject, 'subject') } : {}),
    ...readArtifactType(body, ''),
    ...readAnnotations(body, '')
  }
}

function parseBody(bytes: Uint8Array): Fields {
  if (bytes.byteLength > manifestSizeLimit) throw invalidManifest('', `is larger than ${manifestSizeLimit} bytes`)
  refuseDepth(bytes)
  try {
    // `ignoreBOM` keeps a byte order mark, which then is no JSON.
    return readObject(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)), '')
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) throw invalidManifest('', 'is not JSON in UTF-8')
    throw error
  }
}

// Before the parser, so that four million brackets never become four million arrays.
function refuseDepth(bytes: Uint8Array): void {
  let depth = 0
  let quoted = false
  for (let index = 0; index < bytes.byteLength; index++) {
    const byte = bytes[index]
    if (quoted && byte === 0x5c) index++
    else if (byte === 0x22) quoted = !quoted
    else if (!quoted && (byte === 0x5b || byte === 0x7b)) depth++
    else if (!quoted && (byte === 0x5d || byte === 0x7d)) depth--
    if (depth > depthLimit) throw invalidManifest('', `is nested more than ${depthLimit} levels deep`)
  }
}

function refuseSchema1(body: Fields, declared: string | undefined): void {
  const types = [declared, body.mediaType].filter((type) => typeof type === 'string').map(essence)
  if (body.schemaVersion === 1 || types.some(isDockerSchema1)) {
    throw invalidManifest('schemaVersion', 'Docker image manifest schema 1 is not supported')
  }
  if (body.schemaVersion !== 2) throw invalidManifest('schemaVersion', 'must be 2')
}

// image-spec, "Image Manifest": `mediaType` should be there and must match; Docker's formats require it.
function agreedMediaType(body: Fields, declared: string | undefined): string {
  const inside = readString(body.mediaType, 'mediaType')
  const outside = declared ? essence(declared) : undefined
  if (inside && outside && inside !== outside)
    throw invalidManifest('mediaType', `must be ${outside}, as it was declared`)
  const type = inside ?? outside ?? (body.manifests === undefined ? mediaTypes.ociManifest : mediaTypes.ociIndex)
  if (!inside && (type === mediaTypes.dockerManifest || type === mediaTypes.dockerList)) {
    throw invalidManifest('mediaType', `must be ${type}`)
  }
  return type
}

// CVE-2021-41190: a body that one reader takes for an image and another one for an index. Go reads names in any case.
function refuseConfusion(body: Fields, kind: ManifestKind): void {
  const foreign = kind === 'image' ? ['manifests'] : ['layers', 'config', 'fslayers']
  for (const name of Object.keys(body)) {
    const plain = name.toLowerCase()
    if (foreign.includes(plain)) throw invalidManifest(name, `has no place in an ${kind}`)
    if (name !== plain && structural.includes(plain)) throw invalidManifest(name, `must be spelled ${plain}`)
  }
}

const structural = ['config', 'layers', 'manifests', 'subject']

function refuseTooMany(count: number): void {
  if (count > descriptorLimit) throw invalidManifest('', `names more than ${descriptorLimit} descriptors`)
}
