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
  /** What `Connection` lists. */
  readonly connection: string | undefined
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
const headerLines = /^(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*$/

/**
 * Reads a head without its empty line, each byte a character. Throws MalformedAnswerError (RFC 9112, sections 5 and 6.3): two
 * lengths, a length and chunks, chunks in HTTP/1.0, no grammar, too much.
 */
export function parseAnswerHead(text: string): AnswerHead {
  const end = text.indexOf('\r\n')
  const first = end < 0 ? text : text.slice(0, end)
  if (!statusLine.test(first)) throw new MalformedAnswerError('the status line is malformed')
  const isOld = first[7] === '0'
  const rawHeaders = readHeaders(text.slice(first.length))
  const length = fieldOf(rawHeaders, 'content-length')
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    throw new MalformedAnswerError('the length of the body is not one number')
  }
  const coding = fieldOf(rawHeaders, 'transfer-encoding')
  if (coding !== undefined && (length !== undefined || isOld || coding.toLowerCase() !== 'chunked')) {
    throw new MalformedAnswerError('the body may end in two places')
  }
  const connection = fieldOf(rawHeaders, 'connection')
  return new ReadHead(rawHeaders, {
    status: Number(first.slice(9, 12)),
    contentLength: length === undefined ? undefined : Number(length),
    isChunked: coding !== undefined,
    connection,
    keepAlive: !isOld && !saysClose(connection)
  })
}

// A class: V8 makes each object with a getter of its own slow to make and to read.
class ReadHead implements AnswerHead {
  readonly status
  readonly rawHeaders
  readonly contentLength
  readonly isChunked
  readonly connection
  readonly keepAlive
  #headers: AnswerHead['headers'] | undefined

  constructor(rawHeaders: readonly string[], known: Omit<AnswerHead, 'rawHeaders' | 'headers'>) {
    this.rawHeaders = rawHeaders
    this.status = known.status
    this.contentLength = known.contentLength
    this.isChunked = known.isChunked
    this.connection = known.connection
    this.keepAlive = known.keepAlive
  }

  get headers() {
    this.#headers ??= headersOf(this.rawHeaders)
    return this.#headers
  }
}

/**
 * The same for who reads bodies by their own end only. 'other': an answer that is well formed as far as can be told, and whose
 * body has neither a length nor chunks: up to the end of the connection, interim, without one; and all of HTTP/1.0.
 */
export function parseFramedHead(text: string): FramedAnswerHead | 'other' {
  if (otherVersion.test(text)) return 'other'
  const { status, headers, contentLength, isChunked, keepAlive } = parseAnswerHead(text)
  const hasBody = contentLength !== undefined || isChunked
  if (!hasBody || status < 200 || status === 204 || status === 304) return 'other'
  return { status, headers, contentLength, keepAlive }
}

/** `lines`: each behind a line's end. All of them are looked at by one expression, for one each costs more than they do. */
function readHeaders(lines: string): readonly string[] {
  if (!headerLines.test(lines)) throw new MalformedAnswerError('a header is malformed')
  const rawHeaders: string[] = []
  for (let at = 0; at < lines.length; ) {
    const next = lines.indexOf('\r\n', at + 2)
    const end = next < 0 ? lines.length : next
    const colon = lines.indexOf(':', at)
    rawHeaders.push(lines.slice(at + 2, colon), trimmed(lines, colon + 1, end))
    at = end
  }
  if (rawHeaders.length > 2 * headerLimit) throw new MalformedAnswerError('it has too many headers')
  return rawHeaders
}

/** Without the spaces and tabs around it: `trim` would take bytes of letters as well, such as the second one of "à". */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isSpace(text.charCodeAt(start))) start += 1
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Of a header by its name in lower case; what came more than once as a list with commas. */
function fieldOf(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const given = rawHeaders[i] ?? ''
    if (given.length !== name.length || given.toLowerCase() !== name) continue
    found = found === undefined ? rawHeaders[i + 1] : `${found},${rawHeaders[i + 1]}`
  }
  return found
}

function headersOf(rawHeaders: readonly string[]): AnswerHead['headers'] {
  // Without a prototype: a name is nothing but a name.
  const headers: Record<string, string | readonly string[]> = Object.create(null)
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const key = (rawHeaders[i] ?? '').toLowerCase()
    const value = rawHeaders[i + 1] ?? ''
    const former = headers[key]
    headers[key] = former === undefined ? value : [former, value].flat()
  }
  return headers
}

function saysClose(connection: string | undefined): boolean {
  if (connection === undefined || connection === 'keep-alive') return false
  return /(^|[\s,])close($|[\s,])/i.test(connection)
}
