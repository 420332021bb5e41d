import type { Context } from 'koa'
import { type ContentRange, formatContentRange, parseRange } from '../protocol/content-range.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Blobs } from '../registry/registry.ts'
import { answer, apiVersion, type Headers } from './answer.ts'
import { type BlobContent, sendBlob } from './blob-body.ts'
import { type BufferPool, createBufferPool } from './buffer-pool.ts'
import { etagOf, isNotModified, rangeHeader } from './conditional.ts'
import type { Handler, Target } from './handler.ts'

/**
 * GET, HEAD /v2/<name>/blobs/<digest>, whole or one range of it (distribution-spec, "Pulling blobs"; RFC 9110, section 14).
 * A blob that another repository holds is not here.
 */
export function getBlob(blobs: Blobs, pool: BufferPool = createBufferPool()): Handler {
  return async (ctx, target) => {
    const digest = digestIn(target)
    const etag = etagOf(digest)
    const range = rangeHeader(ctx.req, etag)
    if (ctx.method === 'HEAD' || isNotModified(ctx.req, etag)) return head(ctx, target, digest)
    return range === undefined ? whole(ctx, target, digest) : part(ctx, target, digest, range)
  }

  async function head(ctx: Context, target: Target, digest: Digest): Promise<void> {
    const size = await sizeOf(target, digest)
    if (isNotModified(ctx.req, etagOf(digest))) answer(ctx, 304, headersOf(digest))
    else answer(ctx, 200, { ...headersOf(digest), ...contentOf(size) })
  }

  async function whole(ctx: Context, { repository }: Target, digest: Digest): Promise<void> {
    const reader = await blobs.open(repository, digest)
    if (!reader) throw new RegistryError('BLOB_UNKNOWN', { digest })
    await send(ctx, 200, { ...headersOf(digest), ...contentOf(reader.size) }, reader)
  }

  async function part(ctx: Context, target: Target, digest: Digest, header: string): Promise<void> {
    const size = await sizeOf(target, digest)
    const range = parseRange(header, size)
    if (range.kind === 'whole') return whole(ctx, target, digest)
    if (range.kind === 'unsatisfiable') {
      ctx.res.setHeader('Content-Range', formatContentRange(undefined, size))
      throw new RegistryError('RANGE_INVALID', { size })
    }
    const reader = await blobs.open(target.repository, digest, range)
    if (!reader) throw new RegistryError('BLOB_UNKNOWN', { digest })
    await send(ctx, 206, { ...headersOf(digest), ...contentOf(sizeOfRange(range)), ...rangeOf(range, size) }, reader)
  }

  async function sizeOf({ repository }: Target, digest: Digest): Promise<number> {
    const blob = await blobs.stat(repository, digest)
    if (!blob) throw new RegistryError('BLOB_UNKNOWN', { digest })
    return blob.size
  }

  async function send(ctx: Context, status: number, headers: Headers, reader: BlobContent): Promise<void> {
    ctx.respond = false
    ctx.res.writeHead(status, headers)
    await sendBlob(reader, ctx.res, pool)
  }
}

/** DELETE /v2/<name>/blobs/<digest>: 202, and it is in this repository no more; 405 while one of its manifests names it. */
export function deleteBlob(blobs: Blobs): Handler {
  return async (ctx, target) => {
    const digest = digestIn(target)
    if (!(await blobs.unlink(target.repository, digest))) throw new RegistryError('BLOB_UNKNOWN', { digest })
    answer(ctx, 202, { ...apiVersion, 'Content-Length': 0 })
  }
}

function digestIn({ reference }: Target): Digest {
  const digest = parseDigest(reference)
  if (!digest) throw new RegistryError('DIGEST_INVALID')
  return digest
}

function headersOf(digest: Digest): Headers {
  return { ...apiVersion, 'Docker-Content-Digest': digest, ETag: etagOf(digest), 'Accept-Ranges': 'bytes' }
}

function contentOf(size: number): Headers {
  return {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    'X-Content-Type-Options': 'nosniff'
  }
}

function rangeOf(range: ContentRange, size: number): Headers {
  return { 'Content-Range': formatContentRange(range, size) }
}

function sizeOfRange({ first, last }: ContentRange): number {
  return last - first + 1
}
