import type { Manifest } from '../protocol/manifest.ts'
import { mediaTypes } from '../protocol/media-types.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { ImageFacts } from './records.ts'

/** Configurations hold a few kilobytes; one that is larger than this is not read. */
const configLimit = 256 * 1024

/** What the metadata of an image tells, found out once, when it comes. Undefined: it is no image. */
export async function imageFacts(
  blobs: BlobStore,
  { config, blobs: content }: Manifest
): Promise<ImageFacts | undefined> {
  if (!config) return undefined
  const size = content.reduce((sum, blob) => sum + blob.size, 0)
  const isImage = config.mediaType === mediaTypes.ociConfig || config.mediaType === mediaTypes.dockerConfig
  const bytes = isImage && config.size <= configLimit ? await readWhole(blobs, config) : undefined
  return { size, configMediaType: config.mediaType, ...(bytes && readPlatform(bytes)) }
}

/** image-spec, "Image Configuration". Whatever else a client calls a configuration has no platform. */
export function readPlatform(config: Uint8Array): Pick<ImageFacts, 'architecture' | 'os'> {
  const fields = parseObject(Buffer.from(config.buffer, config.byteOffset, config.byteLength).toString())
  const { architecture, os } = fields
  return { ...(isWord(architecture) && { architecture }), ...(isWord(os) && { os }) }
}

async function readWhole(
  blobs: BlobStore,
  { digest, size }: { digest: Parameters<BlobStore['open']>[0]; size: number }
) {
  const reader = await blobs.open(digest)
  if (!reader) return undefined
  try {
    if (reader.size !== size) return undefined
    const bytes = new Uint8Array(size)
    let filled = 0
    for (let read = -1; read !== 0 && filled < size; filled += read) read = await reader.read(bytes.subarray(filled))
    return filled === size ? bytes : undefined
  } finally {
    await reader.close()
  }
}

function parseObject(text: string): { readonly architecture?: unknown; readonly os?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    // JSON.parse throws for nothing but malformed text.
    return {}
  }
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 128
}
