/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  /** Name, value, name, value... in the order and the letters they came in. */
  readonly rawHeaders: readonly string[]
  /** Names in lower case; values of one name that came more than once as a list. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** What `Content-Length` says: not whether there is a body. */
  readonly contentLength: number | undefined
  readonly isChunked: boolean
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean
}

/** One whose body has an end of its own: after `contentLength` bytes, or undefined: it comes in chunks. */
export type FramedAnswerHead = Pick<AnswerHead, 'status' | 'headers' | 'contentLength' | 'keepAlive'>

/** What is no answer of HTTP/1.1, or could be read in two ways. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError'
  /** As Node's own parser names its findings. */
  readonly code = 'HPE_STRICT'
}

/** The head with its empty line may be no longer. */
export const headLimit = 16 * 1024
const headerLimit = 100

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const otherVersion = /^HTTP\/1\.0 /
// RFC 9110, section 5.1 and 5.5. A line that goes on with the next one begins with a space, and so has no name.
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/

/**
 * Reads a head without its empty line, each byte a character. Throws MalformedAnswerError (RFC 9112, sections 5 and 6.3): two
 * lengths, a length and chunks, chunks in HTTP/1.0, no grammar, too much.
 */
export function parseAnswerHead(text: string): AnswerHead {
  const [first = '', ...lines] = text.split('\r\n')
  const [, minor, digits] = statusLine.exec(first) ?? []
  if (digits === undefined) throw new MalformedAnswerError('the status line is malformed')
  const { headers, rawHeaders } = readHeaders(lines)
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  if (length !== undefined && (typeof length !== 'string' || !/^\d{1,15}$/.test(length))) {
    throw new MalformedAnswerError('the length of the body is not one number')
  }
  const isOtherCoding = coding !== undefined && String(coding).toLowerCase() !== 'chunked'
  if (coding !== undefined && (length !== undefined || isOtherCoding || minor === '0')) {
    throw new MalformedAnswerError('the body may end in two places')
  }
  return {
    status: Number(digits),
    rawHeaders,
    headers,
    contentLength: length === undefined ? undefined : Number(length),
    isChunked: coding !== undefined,
    keepAlive: minor === '1' && !saysClose(headers.connection)
  }
}

/**
 * The same for who reads bodies by their own end only. 'other': an answer that is well formed as far as can be told, and whose
 * body has neither a length nor chunks: up to the end of the connection, interim, without one; and all of HTTP/1.0.
 */
export function parseFramedHead(text: string): FramedAnswerHead | 'other' {
  if (otherVersion.test(text)) return 'other'
  const head = parseAnswerHead(text)
  const { status, contentLength, isChunked } = head
  const hasBody = contentLength !== undefined || isChunked
  return !hasBody || status < 200 || status === 204 || status === 304 ? 'other' : head
}

function readHeaders(lines: readonly string[]): Pick<AnswerHead, 'headers' | 'rawHeaders'> {
  if (lines.length > headerLimit) throw new MalformedAnswerError('it has too many headers')
  // Without a prototype: a name is nothing but a name.
  const headers: Record<string, string | readonly string[]> = Object.create(null)
  const rawHeaders: string[] = []
  for (const line of lines) {
    const [, name, value] = headerLine.exec(line) ?? []
    if (name === undefined || value === undefined) throw new MalformedAnswerError('a header is malformed')
    const key = name.toLowerCase()
    const former = headers[key]
    const text = trimmed(value)
    headers[key] = former === undefined ? text : [former, text].flat()
    rawHeaders.push(name, text)
  }
  return { headers, rawHeaders }
}

/** Without the spaces and tabs around it: `trim` would take bytes of letters as well, such as the second one of "à". */
function trimmed(value: string): string {
  let [start, end] = [0, value.length]
  while (start < end && isSpace(value.charCodeAt(start))) start += 1
  while (end > start && isSpace(value.charCodeAt(end - 1))) end -= 1
  return value.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function saysClose(connection: string | readonly string[] | undefined): boolean {
  if (connection === undefined || connection === 'keep-alive') return false
  return /(^|[\s,])close($|[\s,])/i.test([connection ?? ''].flat().join(','))
}
