import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Kept } from './kept.ts'

/**
 * What edgeHub is told of a client beside its own headers: the certificate it showed, as nginx writes it (PEM,
 * percent-encoded), and where the client brings no authorization a token of ours, by which edgeHub knows that the
 * certificate comes from its API proxy. Without a certificate there is none: edgeHub would take the client for us.
 */
export async function hubHeaders(request: IncomingMessage, token: Kept<string>): Promise<IncomingHttpHeaders> {
  const certificate = certificateOf(request)
  if (certificate === undefined) return {}
  // An empty one is none, as for nginx.
  const authorization = request.headers.authorization || (await token.get())
  return { 'x-ms-edge-clientcert': encodeURIComponent(certificate), authorization }
}

/** Not verified here: edgeHub knows which devices there are, and by which certificates. */
function certificateOf({ socket }: IncomingMessage): string | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.toString() : undefined
}
