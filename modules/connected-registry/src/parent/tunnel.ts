import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'

// Not by `import`: see `registry-server.ts`.
const { request: httpRequest } = process.getBuiltinModule('node:http')

export interface TunnelOptions {
  readonly proxy: URL
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  /** PEM, for a proxy that is reached by TLS. */
  readonly certificateAuthorities?: readonly string[] | undefined
}

/** The proxy did not lead there. Its credentials are in no message. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: string

  constructor(code: string, { host }: URL, cause?: unknown) {
    super(`the proxy ${host} does not lead there`, { cause })
    this.code = code
  }
}

/** A connection to the host through the proxy (RFC 9110, section 9.3.6, CONNECT). Rejects with ProxyError. */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { proxy, host, port, timeoutMs, certificateAuthorities } = options
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const request = send({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...authorization(proxy) },
    agent: false,
    ...(certificateAuthorities && { ca: [...certificateAuthorities] })
  })
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const late = setTimeout(() => request.destroy(new ProxyError('PROXY_TIMEOUT', proxy)), timeoutMs)
  request.on('connect', ({ statusCode = 0 }, socket: Socket, head) => {
    const fits = statusCode >= 200 && statusCode <= 299 && head.length === 0
    if (fits) return resolve(socket)
    socket.destroy()
    reject(new ProxyError(`PROXY_ANSWERED_${statusCode}`, proxy))
  })
  // A proxy that answers as if it were asked for a page.
  request.on('response', (response) => {
    response.destroy()
    reject(new ProxyError(`PROXY_ANSWERED_${response.statusCode}`, proxy))
  })
  request.on('error', (error) =>
    reject(error instanceof ProxyError ? error : new ProxyError('PROXY_UNREACHABLE', proxy, error))
  )
  request.end()
  return promise.finally(() => clearTimeout(late))
}

function authorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
}
