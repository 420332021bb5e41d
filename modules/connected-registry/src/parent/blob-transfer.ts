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
  readonly signal: AbortSignal
}

/**
 * A blob's bytes from `offset` on, or from 0 where the parent cannot skip. Never more than the descriptor's size; fewer end in
 * ParentError INTERRUPTED, and the next call goes on where this one stopped. The caller verifies the digest.
 */
export async function openBlob(link: ParentLink, request: BlobRequest): Promise<BlobContent> {
  const { descriptor, offset } = request
  if (offset > descriptor.size) throw new RangeError(`offset ${offset} lies behind the blob's ${descriptor.size} bytes`)
  if (offset === descriptor.size && offset > 0) return { start: offset, bytes: nothing() }
  const answer = await askAgainOnce(link, request)
  // 416: it holds less than it should, or does not know how to skip. The whole blob tells.
  if (answer.status !== 416 || offset === 0) return contentOf(answer, descriptor, offset)
  await discard(answer)
  return contentOf(await askAgainOnce(link, { ...request, offset: 0 }), descriptor, 0)
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

async function ask(link: ParentLink, { repository, descriptor, offset, signal }: BlobRequest): Promise<Answer> {
  const headers: Readonly<Record<string, string>> = offset > 0 ? { range: `bytes=${offset}-` } : {}
  const request = { operation: 'blob', method: 'GET', headers, signal, endless: true } as const
  const url = urlOf(link, `/v2/${repository}/blobs/${descriptor.digest}`)
  const answer = await link.authentication.request(
    { ...request, url, scope: scopes.pull(repository) },
    async (answer) => answer
  )
  return isRedirect(answer) ? followRedirect(link, request, answer) : answer
}

async function contentOf(answer: Answer, descriptor: Descriptor, offset: number): Promise<BlobContent> {
  if (answer.status !== 200 && answer.status !== 206) throw await refusal(answer)
  try {
    const start = answer.status === 206 ? startOf(answer, descriptor, offset) : 0
    refuseEncoding(answer)
    refuseOtherLength(answer, descriptor.size - start)
    return { start, bytes: exactly(answer, descriptor.size - start), close: () => answer.close() }
  } catch (error) {
    answer.close()
    throw error
  }
}

function startOf(answer: Answer, { size }: Descriptor, offset: number): number {
  const range = parseContentRange(headerOf(answer, 'content-range'))
  if (!range || range.first !== offset || range.last >= size || (range.size ?? size) !== size) {
    throw badAnswer(answer, `its Content-Range is not that of bytes ${offset}-${size - 1} of ${size}`)
  }
  return range.first
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
