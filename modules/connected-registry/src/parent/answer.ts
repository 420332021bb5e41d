import { z } from 'zod'
import { ParentError, type ParentErrorCode } from './parent-error.ts'
import { parseRetryAfter } from './retry.ts'

/**
 * What the parent said to one request. The body must be read, discarded, closed or left to the caller, also where there is none, as
 * after HEAD: it holds a connection, and undici the whole request with its socket until the body has ended.
 */
export interface Answer {
  readonly operation: string
  readonly url: URL
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Fails with ParentError INTERRUPTED or TIMEOUT. */
  readonly body: AsyncIterable<Uint8Array>
  /** Drops what was not read, and the connection with it. */
  close(): void
}

const errorBodyLimit = 64 * 1024

/** A header's value; several of one name are joined, so that a doubled one never passes for a single one. */
export function headerOf(answer: Pick<Answer, 'headers'>, name: string): string | undefined {
  const value = answer.headers[name]
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}

/** The whole body. Throws ParentError BAD_ANSWER where it is encoded or longer than `limit` bytes. */
export async function readBody(answer: Answer, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    refuseEncoding(answer)
    for await (const chunk of answer.body) {
      size += chunk.byteLength
      if (size > limit) throw badAnswer(answer, `it is longer than ${limit} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (error) {
    answer.close()
    throw error
  }
}

/** Throws ParentError BAD_ANSWER where the body is not JSON of this shape. */
export async function readJson<T>(answer: Answer, schema: z.ZodType<T>, limit: number): Promise<T> {
  const bytes = await readBody(answer, limit)
  const parsed = schema.safeParse(parseJson(bytes))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.map(String).join('.').slice(0, 80)
  throw badAnswer(answer, `it is not the JSON we expect${where ? ` at ${JSON.stringify(where)}` : ''}`, parsed.error)
}

/** Digests are of the bytes themselves: an encoded body is another one, and a bomb may hide in it. */
export function refuseEncoding(answer: Answer): void {
  const encoding = headerOf(answer, 'content-encoding')
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw badAnswer(answer, 'it has a Content-Encoding, though none was accepted')
  }
}

/** Reads the rest of a body nobody needs, so that its connection can be used again. */
export async function discard(answer: Answer): Promise<void> {
  try {
    await readBody(answer, errorBodyLimit)
  } catch (error) {
    // The connection is gone then; the answer itself was complete in its headers.
    if (!(error instanceof ParentError)) throw error
  }
}

/** The failure that an answer of another status than the expected ones tells of. */
export async function refusal(answer: Answer): Promise<ParentError> {
  const { operation, url, status } = answer
  const parentCode = await errorCode(answer)
  const retryAfterMs = parseRetryAfter(headerOf(answer, 'retry-after'), headerOf(answer, 'date'))
  return new ParentError(codeOf(status, parentCode), { operation, url, status, parentCode, retryAfterMs })
}

export function badAnswer(answer: Answer, detail: string, cause?: unknown): ParentError {
  const { operation, url, status } = answer
  return new ParentError('BAD_ANSWER', { operation, url, status, detail, cause })
}

const statusCodes: Readonly<Record<number, ParentErrorCode>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'NOT_FOUND',
  405: 'UNSUPPORTED',
  408: 'TIMEOUT',
  429: 'THROTTLED',
  501: 'UNSUPPORTED'
}

function codeOf(status: number, parentCode: string | undefined): ParentErrorCode {
  if (status === 404 && parentCode === 'NAME_UNKNOWN') return 'NAME_UNKNOWN'
  const code = statusCodes[status]
  if (code) return code
  if (status >= 500) return 'SERVER_ERROR'
  return status >= 300 && status < 400 ? 'REDIRECT_REFUSED' : 'BAD_ANSWER'
}

// distribution-spec, "Error Codes". Only the code goes further: the message is the other side's text.
const errorAnswer = z.object({ errors: z.array(z.object({ code: z.string().regex(/^[A-Z0-9_]{1,64}$/) })).min(1) })

async function errorCode(answer: Answer): Promise<string | undefined> {
  try {
    return errorAnswer.safeParse(parseJson(await readBody(answer, errorBodyLimit))).data?.errors[0]?.code
  } catch (error) {
    // A body that is too long or was cut says no more than the status did.
    if (error instanceof ParentError) return undefined
    throw error
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
