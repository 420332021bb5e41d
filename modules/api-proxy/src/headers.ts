import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

// RFC 9110, 7.6.1: for one connection only, whether `Connection` lists them or not.
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
])
// Most names are none of them by their length alone, and need not be put into small letters to see it.
const hopByHopLengths = new Set([...hopByHop].map(({ length }) => length))
// What only a door may say of a request; from a client it is a claim, so it goes no further.
const doorsOwn = /^(?:forwarded|x-real-ip|x-forwarded-.*|x-ms-edge-clientcert)$/
// A peer that lists these in `Connection` would change what the next hop takes for the message, or where it leads it.
const neverListed = new Set(['content-length', 'host', 'expect', 'authorization', 'x-ms-version'])

const bodyless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])
const hostName = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::\d{1,5})?$/

/** What makes a request unfit to be passed on, in words for its sender; undefined where nothing does. */
export function flawOf({ method = '', headers, rawHeaders }: Readonly<IncomingMessage>): string | undefined {
  // RFC 9112, 3.2: more than one Host, or an invalid one, is refused. HTTP/1.0 may come without.
  if (hasMoreHosts(rawHeaders)) return 'more than one Host'
  if (headers.host !== undefined && !hostName.test(headers.host)) return 'the Host is not valid'
  // RFC 9112, 6.1: a coding that we do not undo would be lost with the header that names it.
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'the transfer coding is not supported'
  // Node does not frame a body of these methods, so the next hop could read it as a request of its own.
  if (bodyless.has(method) && hasBody(headers)) return `a ${method} request has no body`
  return undefined
}

function hasMoreHosts(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count > 1
}

export function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

export interface Origin {
  /** The scheme the client used. */
  readonly scheme: 'http' | 'https'
  /** `Host` for the next hop, as nginx names it: the address it is reached at. */
  readonly host: string
}

const target = /^[\x21-\x7e\x80-\xff]+$/
const value = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * The head of a request as the next hop gets it, with its empty line, each character a byte. Undefined where it holds what
 * could end a line: Node's parser lets nothing of the kind through, and who writes by hand looks once more.
 */
export function requestHead(request: Readonly<IncomingMessage>, origin: Origin): string | undefined {
  const { method = '', url = '', headers } = request
  if (!target.test(url)) return undefined
  let head = `${method} ${url} HTTP/1.1\r\n`
  let isValid = true
  const add = (name: string, text: string) => {
    isValid &&= value.test(text)
    head += `${name}: ${text}\r\n`
  }
  forwardHeaders(headers, origin, (name, given) => {
    if (typeof given === 'string') add(name, given)
    else for (const one of given) add(name, one)
  })
  return isValid ? `${head}connection: keep-alive\r\n\r\n` : undefined
}

/**
 * A client's headers as the next hop gets them: hop-by-hop headers and claims about forwarding left out,
 * `X-Forwarded-Host` and `X-Forwarded-Proto` saying what the client sees, so that URLs can be built from them.
 */
export function forwardedHeaders(headers: IncomingHttpHeaders, origin: Origin): IncomingHttpHeaders {
  const forwarded: IncomingHttpHeaders = {}
  forwardHeaders(headers, origin, (name, given) => {
    forwarded[name] = given as string
  })
  return forwarded
}

function forwardHeaders(
  headers: IncomingHttpHeaders,
  { scheme, host }: Origin,
  add: (name: string, given: string | string[]) => void
): void {
  const isDropped = dropped(headers.connection)
  add('host', host)
  for (const name of Object.keys(headers)) {
    const given = headers[name]
    if (given !== undefined && name !== 'host' && !isDropped(name) && !isDoorsOwn(name)) add(name, given)
  }
  if (headers['transfer-encoding'] !== undefined) add('transfer-encoding', 'chunked')
  if (headers.host !== undefined) add('x-forwarded-host', headers.host)
  add('x-forwarded-proto', scheme)
}

function isDoorsOwn(name: string): boolean {
  return (name.startsWith('x-') || name.startsWith('f')) && doorsOwn.test(name)
}

/** An answer's raw headers (name, value, name, value...) as the client gets them: in order, repeated ones repeated. */
export function answeredHeaders(rawHeaders: readonly string[], connection: string | undefined): string[] {
  const isDropped = dropped(connection)
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!isDropped(name)) kept.push(name, rawHeaders[i + 1] ?? '')
  }
  return kept
}

/** Two origins, without a slash at the end. */
export interface Translation {
  readonly from: string
  readonly to: string
}

const withUrls = new Set(['location', 'link', 'www-authenticate'])

/** Raw headers whose URLs of one origin are made URLs of another one: redirects, upload locations, token realms. */
export function withOrigin(rawHeaders: readonly string[], { from, to }: Translation): string[] {
  const isUrl = (i: number) => i % 2 === 1 && withUrls.has((rawHeaders[i - 1] ?? '').toLowerCase())
  return rawHeaders.map((text, i) => {
    if (!isUrl(i)) return text
    if (text.startsWith(`${from}/`)) return `${to}${text.slice(from.length)}`
    return text.replaceAll(`"${from}/`, `"${to}/`).replaceAll(`<${from}/`, `<${to}/`)
  })
}

function isHopByHop(name: string): boolean {
  return hopByHopLengths.has(name.length) && hopByHop.has(name.toLowerCase())
}

function dropped(connection = 'keep-alive'): (name: string) => boolean {
  if (connection === 'keep-alive') return isHopByHop
  const listed = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  for (const name of neverListed) listed.delete(name)
  return (name) => isHopByHop(name) || listed.has(name.toLowerCase())
}
