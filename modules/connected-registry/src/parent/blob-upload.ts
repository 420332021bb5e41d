import type { ContentSource } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { type Answer, badAnswer, discard, headerOf } from './answer.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'
import { isRedirect } from './redirects.ts'
import { accepted, changeRefusal } from './writes.ts'

export interface UploadRequest {
  readonly repository: string
  readonly descriptor: Descriptor
  readonly source: ContentSource
  readonly signal: AbortSignal
  /** A repository of the parent that may hold the blob already: it is linked from there where the parent agrees. */
  readonly mountFrom?: string
  readonly sessions?: UploadSessions
  readonly onBytes?: (count: number) => void
}

/** Where uploads of large blobs stand that were begun, so that a later round or process goes on with them. */
export interface UploadSessions {
  find(repository: string, descriptor: Descriptor): Promise<string | undefined>
  /** Undefined: it is over. */
  save(repository: string, descriptor: Descriptor, location: string | undefined): Promise<void>
}

/** Blobs up to this size go in one request, larger ones in chunks of it: what a cut may cost. */
const usualChunkBytes = 8 * 1024 * 1024
/** A parent may read a whole blob again before it answers. */
const verifiedBytesPerMs = 20_000

/** An upload session of the parent: where to go on, and how much it has. */
interface Session {
  readonly location: URL
  readonly offset: number
  readonly chunkBytes: number
}

interface Progress {
  /** Of the session that goes on. */
  location?: URL | undefined
  chunkBytes: number
  /** Bytes the parent has, as far as it told. */
  offset: number
}

/** HEAD: whether the parent's repository holds the blob. Who is led to storage is told that it does. */
export async function hasBlob(link: ParentLink, repository: string, descriptor: Descriptor, signal: AbortSignal) {
  const url = urlOf(link, `/v2/${repository}/blobs/${descriptor.digest}`)
  const request = { operation: 'blob', method: 'HEAD', url, scope: scopes.pull(repository), signal } as const
  return link.authentication.request(request, async (answer) => {
    if (answer.status === 200 || isRedirect(answer)) return discard(answer).then(() => true)
    if (answer.status === 404) return discard(answer).then(() => false)
    throw await changeRefusal(answer)
  })
}

/**
 * Brings a blob into the parent (distribution-spec, "Pushing blobs"): mounted, in one piece, or in chunks, so that a cut upload goes
 * on with what the parent has. Resolves when the parent has verified it. An attempt that brought bytes is no failure.
 */
export async function uploadBlob(link: ParentLink, request: UploadRequest): Promise<void> {
  const progress = await rememberedProgress(link, request)
  for (let failures = 0; ; ) {
    const before = progress.offset
    try {
      await attempt(link, request, progress)
      return await remember(request, progress, undefined)
    } catch (error) {
      request.signal.throwIfAborted()
      failures = progress.offset > before ? 0 : failures + 1
      const pause = link.dispatcher.pauseBefore(error, Math.max(0, failures - 1))
      if (pause === undefined) throw error
      await link.clock.sleep(pause, request.signal)
    }
  }
}

async function attempt(link: ParentLink, request: UploadRequest, progress: Progress): Promise<void> {
  const session = progress.location ? await resume(link, request, progress) : await begin(link, request)
  if (session === 'done') return
  if (request.descriptor.size <= usualChunkBytes) return finish(link, request, session)
  progress.offset = session.offset
  let current = session
  await remember(request, progress, current)
  while (current.offset < request.descriptor.size) {
    current = await sendChunk(link, request, current)
    progress.offset = current.offset
    await remember(request, progress, current)
  }
  return finish(link, request, current)
}

async function begin(link: ParentLink, request: UploadRequest): Promise<Session | 'done'> {
  const { repository, descriptor, mountFrom, signal } = request
  const mount = mountFrom === undefined ? '' : `?mount=${descriptor.digest}&from=${encodeURIComponent(mountFrom)}`
  const url = urlOf(link, `/v2/${repository}/blobs/uploads/${mount}`)
  const scope = [scopes.push(repository), ...(mountFrom === undefined ? [] : [scopes.pull(mountFrom)])].join(' ')
  const headers = { 'content-length': '0' }
  return link.authentication.request(
    { operation: 'upload', method: 'POST', url, headers, scope, signal },
    async (answer) => {
      if (answer.status === 201) return accepted(answer, descriptor.digest).then(() => 'done' as const)
      if (answer.status !== 202) throw await changeRefusal(answer)
      return sessionOf(link, answer, 0, leastChunk(answer, usualChunkBytes))
    }
  )
}

/** The parent is asked how much it has. It may have all of it: then only its last answer was lost. */
async function resume(link: ParentLink, request: UploadRequest, progress: Progress): Promise<Session | 'done'> {
  const { repository, descriptor, signal } = request
  const { location, chunkBytes } = progress
  const asked = { operation: 'upload', method: 'GET', url: location!, scope: scopes.push(repository), signal } as const
  const session = await link.authentication.request(asked, async (answer) => {
    const received = answer.status === 204 ? receivedBytes(headerOf(answer, 'range')) : undefined
    if (received !== undefined && received <= descriptor.size) return sessionOf(link, answer, received, chunkBytes)
    await discard(answer)
    return undefined
  })
  if (session) return session
  progress.location = undefined
  progress.offset = 0
  return (await hasBlob(link, repository, descriptor, signal)) ? 'done' : begin(link, request)
}

async function sendChunk(link: ParentLink, request: UploadRequest, session: Session): Promise<Session> {
  const { descriptor } = request
  const length = Math.min(session.chunkBytes, descriptor.size - session.offset)
  const range = { 'content-range': `${session.offset}-${session.offset + length - 1}` }
  return send(link, request, { ...session, method: 'PATCH', length, headers: range }, async (answer) => {
    if (answer.status !== 202) throw await sessionFailure(answer)
    const received = receivedBytes(headerOf(answer, 'range')) ?? session.offset + length
    return sessionOf(link, answer, Math.min(received, descriptor.size), session.chunkBytes)
  })
}

/** The rest, which is nothing after chunks, and the digest to verify. */
async function finish(link: ParentLink, request: UploadRequest, { location, offset }: Session): Promise<void> {
  const { digest, size } = request.descriptor
  const url = new URL(location)
  // Not by URLSearchParams: what the parent wrote there must come back as it is.
  url.search = `${location.search === '' ? '?' : `${location.search}&`}digest=${encodeURIComponent(digest)}`
  const workMs = size / verifiedBytesPerMs
  const part = { location: url, offset, method: 'PUT', length: size - offset, headers: {}, workMs } as const
  await send(link, request, part, async (answer) => {
    if (answer.status < 200 || answer.status > 299) throw await sessionFailure(answer)
    await accepted(answer, digest)
  })
}

interface Part {
  readonly location: URL
  readonly offset: number
  readonly method: 'PATCH' | 'PUT'
  readonly length: number
  readonly headers: Readonly<Record<string, string>>
  readonly workMs?: number
}

function send<T>(link: ParentLink, request: UploadRequest, part: Part, read: (answer: Answer) => Promise<T>) {
  const { repository, signal } = request
  const { location: url, length, method, workMs } = part
  const type: Readonly<Record<string, string>> = length > 0 ? { 'content-type': 'application/octet-stream' } : {}
  const headers = { ...part.headers, ...type, 'content-length': String(length) }
  const body = length > 0 ? () => bytesOf(request, part) : undefined
  const scope = scopes.push(repository)
  // How much of it has arrived is asked for before anything is sent again.
  const once = { operation: 'upload', endless: true, once: true } as const
  return link.authentication.request({ ...once, method, url, headers, body, scope, signal, workMs }, read)
}

/** Copies: a source may use its buffer again while the last piece is still being sent. */
async function* bytesOf(request: UploadRequest, { offset, length }: Part): AsyncGenerator<Uint8Array> {
  const { descriptor, source, signal, onBytes } = request
  const content = await source.blob(descriptor, offset, signal)
  let [skip, left] = [offset - content.start, length]
  try {
    for await (const piece of content.bytes) {
      const wanted = piece.subarray(Math.min(skip, piece.byteLength), skip + left)
      skip -= Math.min(skip, piece.byteLength)
      left -= wanted.byteLength
      if (wanted.byteLength > 0) yield Uint8Array.from(wanted)
      onBytes?.(wanted.byteLength)
      if (left === 0) return
    }
  } finally {
    content.close?.()
  }
}

const lostSession: readonly (string | undefined)[] = ['BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'RANGE_INVALID']

/** A session that is not what we think can be asked again, or begun anew; what was wrong about the bytes, too. */
async function sessionFailure(answer: Answer): Promise<ParentError> {
  const error = await changeRefusal(answer)
  const { operation, url, status } = answer
  const isLost = status === 404 || status === 416 || lostSession.includes(error.parentCode)
  if (!isLost && error.parentCode !== 'DIGEST_INVALID') return error
  const detail = isLost ? 'its upload is not where we left it' : 'what arrived there is not what was sent'
  return new ParentError('INTERRUPTED', { operation, url, status, detail, parentCode: error.parentCode })
}

// distribution-spec, "Pushing a blob in chunks": the location may be relative and on another path; it is on the parent's host.
async function sessionOf(
  { connection }: ParentLink,
  answer: Answer,
  offset: number,
  chunkBytes: number
): Promise<Session> {
  const own = connection.loginServerUrl
  const location = URL.parse(headerOf(answer, 'location') ?? '', answer.url)
  await discard(answer)
  if (!location) throw badAnswer(answer, 'it names no place for the upload')
  // Behind a proxy that ends TLS a registry may think that it is asked over http.
  if (location.hostname === own.hostname && location.port === own.port) location.protocol = own.protocol
  if (location.origin === own.origin && !location.username) return { location, offset, chunkBytes }
  const { operation, url, status } = answer
  throw new ParentError('REDIRECT_REFUSED', {
    operation,
    url,
    status,
    detail: `to ${location.protocol}//${location.host}`
  })
}

// distribution-spec, "Pushing a blob in chunks": the header may ask for more than we would send.
function leastChunk(answer: Answer, usual: number): number {
  const least = headerOf(answer, 'oci-chunk-min-length') ?? ''
  return /^\d{1,12}$/.test(least) ? Math.max(usual, Number(least)) : usual
}

/** `0-0` is what an empty session says, too: a single byte is sent again then. */
export function receivedBytes(range: string | undefined): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec(range ?? '') ?? []
  return last === undefined ? undefined : last === '0' ? 0 : Number(last) + 1
}

async function rememberedProgress({ connection }: ParentLink, request: UploadRequest): Promise<Progress> {
  const { descriptor, repository, sessions } = request
  const progress: Progress = { chunkBytes: usualChunkBytes, offset: 0 }
  if (descriptor.size <= usualChunkBytes) return progress
  const location = URL.parse((await sessions?.find(repository, descriptor)) ?? '')
  return location?.origin === connection.loginServerUrl.origin ? { ...progress, location } : progress
}

async function remember(request: UploadRequest, progress: Progress, session: Session | undefined): Promise<void> {
  const { descriptor, repository, sessions } = request
  if (descriptor.size <= usualChunkBytes) return
  progress.location = session?.location
  if (session) progress.chunkBytes = session.chunkBytes
  await sessions?.save(repository, descriptor, session?.location.href)
}
