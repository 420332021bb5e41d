import type { BlobContent } from '../protocol/content.ts'
import { parseContentRange } from '../protocol/content-range.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { type Answer, badAnswer, discard, headerOf, refusal, refuseEncoding } from './answer.ts'
import { ParentError } from './parent-error.ts'
import { type ParentLink, scopes, urlOf } from './parent-link.ts'
import { followRedirect, isRedirect } from './redirects.ts'

export interface BlobRequest {
  readonly repository: string
  readonly descriptor: Descriptor
  /** Bytes that are here already. */
  readonly offset: number
  /** The last byte that is wanted; absent: the blob's. */
  readonly last?: number | undefined
  readonly signal: AbortSignal
}

/**
 * A blob's bytes from `offset` to `last`, or from 0 and to its end where the parent gives no parts. Never more; fewer end in
 * ParentError INTERRUPTED, and the next call goes on where this one stopped. The caller verifies the digest.
 */
export async function openBlob(link: ParentLink, request: BlobRequest): Promise<BlobContent> {
  const { descriptor, offset } = request
  if (offset > descriptor.size) throw new RangeError(`offset ${offset} lies behind the blob's ${descriptor.size} bytes`)
  if (offset === descriptor.size && offset > 0) return { start: offset, bytes: nothing() }
  const answer = await askAgainOnce(link, request)
  // 416: it holds less than it should, or does not know how to skip. The whole blob tells.
  if (answer.status !== 416 || rangeOf(request) === undefined) return contentOf(answer, request)
  await discard(answer)
  const whole = { ...request, offset: 0, last: undefined }
  return contentOf(await askAgainOnce(link, whole), whole)
}

// A signed link may run out between the redirect and its use.
async function askAgainOnce(link: ParentLink, request: BlobRequest): Promise<Answer> {
  try {
    return await ask(link, request)
  } catch (error) {
    if (!(error instanceof ParentError) || error.code !== 'LINK_EXPIRED') throw error
    return ask(link, request)
  }
}

async function ask(link: ParentLink, wanted: BlobRequest): Promise<Answer> {
  const { repository, descriptor, signal } = wanted
  const range = rangeOf(wanted)
  const headers: Readonly<Record<string, string>> = range === undefined ? {} : { range }
  const request = { operation: 'blob', method: 'GET', headers, signal, endless: true } as const
  const url = urlOf(link, `/v2/${repository}/blobs/${descriptor.digest}`)
  const answer = await link.authentication.request(
    { ...request, url, scope: scopes.pull(repository) },
    async (answer) => answer
  )
  return isRedirect(answer) ? followRedirect(link, request, answer) : answer
}

/** Undefined: all of it. */
function rangeOf({ descriptor, offset, last }: BlobRequest): string | undefined {
  if (last !== undefined && last < descriptor.size - 1) return `bytes=${offset}-${last}`
  return offset > 0 ? `bytes=${offset}-` : undefined
}

async function contentOf(answer: Answer, { descriptor, offset, last }: BlobRequest): Promise<BlobContent> {
  if (answer.status !== 200 && answer.status !== 206) throw await refusal(answer)
  try {
    const start = answer.status === 206 ? offset : 0
    const end = answer.status === 206 ? endOf(answer, descriptor, offset, last) : descriptor.size
    refuseEncoding(answer)
    refuseOtherLength(answer, end - start)
    return { start, bytes: exactly(answer, end - start), close: () => answer.close() }
  } catch (error) {
    answer.close()
    throw error
  }
}

/** The offset behind the bytes to come: those that were asked for, or more where the parent gives more. */
function endOf(answer: Answer, { size }: Descriptor, offset: number, last = size - 1): number {
  const range = parseContentRange(headerOf(answer, 'content-range'))
  if (range && range.first === offset && range.last < size && (range.size ?? size) === size) {
    return Math.max(range.last, last) + 1
  }
  throw badAnswer(answer, `its Content-Range is not that of bytes ${offset}-${last} of ${size}`)
}

// Fewer bytes may be one part of several; more can never be this blob.
function refuseOtherLength(answer: Answer, expected: number): void {
  const length = Number(headerOf(answer, 'content-length') ?? expected)
  const fits = answer.status === 206 ? length <= expected : length === expected
  if (!fits) throw badAnswer(answer, `it is ${length} bytes long, not ${expected}`)
}

async function* exactly(answer: Answer, expected: number): AsyncGenerator<Uint8Array> {
  let received = 0
  for await (const chunk of answer.body) {
    received += chunk.byteLength
    if (received > expected) throw badAnswer(answer, `it is longer than ${expected} bytes`)
    yield chunk
  }
  const { operation, url } = answer
  if (received < expected) {
    throw new ParentError('INTERRUPTED', { operation, url, detail: `${received} of ${expected} bytes` })
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
