import type { Context } from 'koa'
import { formatHeldRange, parseChunkRange } from '../protocol/content-range.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Registry } from '../registry/registry.ts'
import type { UploadName } from '../registry/upload-sessions.ts'
import type { Uploads } from '../registry/uploads.ts'
import { answer, apiVersion, type Headers } from './answer.ts'
import type { Handler, Target } from './handler.ts'
import { type MayRead, mountBlob } from './mount.ts'
import { hasBody, keepConnection } from './request-body.ts'
import { arrivingBody } from './upload-body.ts'

/**
 * POST /v2/<name>/blobs/uploads/ begins an upload: 202. With `?digest=` the body is the whole blob: 201. With `?mount=` a blob that
 * the client may read elsewhere is linked: 201; one that it may not is not there: 202 (distribution-spec, "Pushing Blobs").
 */
export function postUpload({ uploads, blobs }: Pick<Registry, 'uploads' | 'blobs'>, mayRead: MayRead): Handler {
  return async (ctx, target) => {
    const { digest: given, mount, from } = queryOf(ctx)
    const digest = given === undefined ? undefined : digestIn(given)
    const mounted = mount === undefined ? undefined : await mountBlob(blobs, mayRead, { target, mount, from })
    if (mounted) return answerBlob(ctx, target, mounted)
    const name = { ...nameOf(target), id: await uploads.begin(target.repository, nameOf(target).identity) }
    if (!digest) return answerUpload(ctx, 202, name, 0)
    await whole(ctx, name, digest, target)
    answerBlob(ctx, target, digest)
  }

  // The client does not know the id: what it did not finish at once nobody will.
  async function whole(ctx: Context, name: UploadName, digest: Digest, { confirm }: Target): Promise<void> {
    try {
      await add(uploads, ctx, name)
      await confirm?.()
      await uploads.finish(name, digest)
    } catch (error) {
      await uploads.cancel(name).catch(unlessUnknown)
      throw error
    }
  }
}

/** PATCH: adds a body at the end, or the part its Content-Range names: 202, 416 where that is not next. */
export function patchUpload(uploads: Uploads): Handler {
  return async (ctx, target) => {
    const name = nameOf(target)
    const size = await tellingSize(uploads, ctx, name, () => add(uploads, ctx, name))
    answerUpload(ctx, 202, name, size)
  }
}

/** PUT ?digest=: the last part, if there is one, and the end: 201, 400 where the digest is another one. */
export function putUpload(uploads: Uploads): Handler {
  return async (ctx, target) => {
    const name = nameOf(target)
    const digest = digestIn(queryOf(ctx).digest ?? '')
    if (hasBody(ctx.req)) {
      await tellingSize(uploads, ctx, name, () => add(uploads, ctx, name))
      await target.confirm?.()
    }
    await uploads.finish(name, digest)
    answerBlob(ctx, target, digest)
  }
}

/** GET: how much is here, in `Range`: 204. */
export function getUpload(uploads: Uploads): Handler {
  return async (ctx, target) => answerUpload(ctx, 204, nameOf(target), await uploads.size(nameOf(target)))
}

/** DELETE: 204, and what came is gone. */
export function deleteUpload(uploads: Uploads): Handler {
  return async (ctx, target) => {
    await uploads.cancel(nameOf(target))
    answer(ctx, 204, { ...apiVersion })
  }
}

async function add(uploads: Uploads, ctx: Context, name: UploadName): Promise<number> {
  const header = ctx.req.headers['content-range']
  const range = header === undefined ? undefined : parseChunkRange(header)
  if (header !== undefined && !range) throw new RegistryError('RANGE_INVALID')
  const span = range && range.last - range.first + 1
  const length = ctx.req.headers['content-length']
  if (span !== undefined && length !== undefined && Number(length) !== span) {
    throw new RegistryError('SIZE_INVALID', { range: header, length })
  }
  const size = await uploads.append(name, arrivingBody(ctx.req, { size: span }), { at: range?.first })
  keepConnection(ctx)
  return size
}

/** A failure says how much is here, so that the client knows where to go on. */
async function tellingSize<T>(uploads: Uploads, ctx: Context, name: UploadName, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const size = await uploads.size(name).catch(unlessUnknown)
    if (size !== undefined) ctx.set(headersOf(name, size))
    throw error
  }
}

function answerUpload(ctx: Context, status: 202 | 204, name: UploadName, size: number): void {
  const length: Headers = status === 202 ? { 'Content-Length': 0 } : {}
  answer(ctx, status, { ...apiVersion, ...length, ...headersOf(name, size) })
}

// A path alone: so it is right whatever name and port the client knows us by.
function headersOf({ id, repository }: UploadName, size: number): Record<string, string> {
  const location = `/v2/${repository}/blobs/uploads/${id}`
  return { Location: location, 'Docker-Upload-UUID': id, Range: formatHeldRange(size) }
}

function answerBlob(ctx: Context, { repository }: Target, digest: Digest): void {
  const headers: Headers = { Location: `/v2/${repository}/blobs/${digest}`, 'Docker-Content-Digest': digest }
  answer(ctx, 201, { ...apiVersion, 'Content-Length': 0, ...headers })
}

function nameOf({ repository, reference, identity }: Target): UploadName {
  if (!identity) throw new Error('an upload without anybody who makes it')
  return { id: reference, repository, identity: identity.name }
}

function queryOf(ctx: Context): { readonly digest?: string; readonly mount?: string; readonly from?: string } {
  return { digest: first(ctx.query.digest), mount: first(ctx.query.mount), from: first(ctx.query.from) }
}

function first(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}

function digestIn(text: string): Digest {
  const digest = parseDigest(text)
  if (!digest) throw new RegistryError('DIGEST_INVALID')
  return digest
}

function unlessUnknown(error: unknown): undefined {
  if (error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN') return undefined
  throw error
}
