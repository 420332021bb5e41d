import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** How the client sees this registry: through the API proxy its name and scheme differ from ours. */
export interface ExternalUrl {
  /** `https://registry.site:8000`, without a path. */
  readonly origin: string
  /** `registry.site:8000`; the port only where the client named one. */
  readonly host: string
}

const wellFormedHost = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/**
 * From `X-Forwarded-Host` and `X-Forwarded-Proto` where each is there once and well formed, else from `Host`.
 * Anybody can send these headers: they shape URLs in answers, never who is asking or what is allowed.
 */
export function externalUrl(request: IncomingMessage): ExternalUrl {
  const host = hostIn(request.headers['x-forwarded-host']) ?? hostIn(request.headers.host) ?? socketAddress(request)
  const scheme = schemeIn(request.headers['x-forwarded-proto']) ?? socketScheme(request)
  return { origin: `${scheme}://${host}`, host }
}

// node:http joins repeated headers with a comma, which no host contains.
function hostIn(header: string | string[] | undefined): string | undefined {
  const isHost = typeof header === 'string' && wellFormedHost.test(header) && URL.canParse(`http://${header}`)
  return isHost ? header : undefined
}

function schemeIn(header: string | string[] | undefined): 'http' | 'https' | undefined {
  const scheme = typeof header === 'string' ? header.toLowerCase() : undefined
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

function socketScheme({ socket }: IncomingMessage): 'http' | 'https' {
  return socket instanceof TLSSocket ? 'https' : 'http'
}

function socketAddress({ socket }: IncomingMessage): string {
  const address = socket.localAddress ?? 'localhost'
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? 80}`
}
