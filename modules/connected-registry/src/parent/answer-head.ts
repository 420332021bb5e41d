/** The head of an answer whose body has an end of its own. */
export interface AnswerHead {
  readonly status: number
  /** Names in lower case; values of one name that came more than once as a list. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Bytes of the body; undefined: it comes in chunks. */
  readonly contentLength: number | undefined
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean
}

/** What is no answer of HTTP/1.1, or could be read in two ways. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError'
  /** As Node's own parser names its findings. */
  readonly code = 'HPE_STRICT'
}

/** The head with its empty line may be no longer. */
export const headLimit = 16 * 1024
const headerLimit = 100

const statusLine = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const otherVersion = /^HTTP\/1\.0 /
// RFC 9110, section 5.1 and 5.5. A line that goes on with the next one begins with a space, and so has no name.
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/

/**
 * Reads a head without its empty line, each byte a character. 'other': an answer that is well formed as far as can be told, and
 * whose body has neither a length nor chunks: up to the end of the connection, interim, without one. Throws MalformedAnswerError
 * (RFC 9112, sections 5 and 6.3): two lengths, a length and chunks, no grammar, too much.
 */
export function parseAnswerHead(text: string): AnswerHead | 'other' {
  const [first = '', ...lines] = text.split('\r\n')
  if (otherVersion.test(first)) return 'other'
  const status = Number(statusLine.exec(first)?.[1])
  if (Number.isNaN(status)) throw new MalformedAnswerError('the status line is malformed')
  const headers = readHeaders(lines)
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  if (length !== undefined && (typeof length !== 'string' || !/^\d{1,15}$/.test(length))) {
    throw new MalformedAnswerError('the length of the body is not one number')
  }
  if (coding !== undefined && (length !== undefined || String(coding).toLowerCase() !== 'chunked')) {
    throw new MalformedAnswerError('the body may end in two places')
  }
  const hasBody = length !== undefined || coding !== undefined
  if (!hasBody || status < 200 || status === 204 || status === 304) return 'other'
  const contentLength = length === undefined ? undefined : Number(length)
  return { status, headers, contentLength, keepAlive: !saysClose(headers.connection) }
}

function readHeaders(lines: readonly string[]): Record<string, string | readonly string[]> {
  if (lines.length > headerLimit) throw new MalformedAnswerError('it has too many headers')
  // Without a prototype: a name is nothing but a name.
  const headers: Record<string, string | readonly string[]> = Object.create(null)
  for (const line of lines) {
    const [, name, value] = headerLine.exec(line) ?? []
    if (name === undefined || value === undefined) throw new MalformedAnswerError('a header is malformed')
    const key = name.toLowerCase()
    const former = headers[key]
    headers[key] = former === undefined ? value.trimEnd() : [former, value.trimEnd()].flat()
  }
  return headers
}

function saysClose(connection: string | readonly string[] | undefined): boolean {
  return /(^|[\s,])close($|[\s,])/i.test([connection ?? ''].flat().join(','))
}
