import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Context, Middleware } from 'koa'
import { RegistryError } from '../protocol/errors.ts'
import { isHealthPath } from './health.ts'

/** What clients are asked for. */
export interface CertificateDemand {
  /** Whether they have to show a certificate, or may; one that is shown has to be valid either way. */
  readonly kind: 'required' | 'optional'
  /** Other authorities, or none, were in force when the connection began. */
  readonly isOutdated: boolean
}

/**
 * Refuses, by 403 and in words, what the handshake let through: a client whose handshake fails is told nothing of use. A connection
 * of the time of other authorities, or of none, ends with its next request, unanswered: on the one that its client makes then, it
 * is asked for its certificate, and that one is judged.
 */
export function checkClientCertificate(asked: (socket: Socket) => CertificateDemand | undefined): Middleware {
  return (ctx, next) => {
    const demand = isHealthPath(ctx.path) ? undefined : asked(ctx.req.socket)
    if (!demand) return next()
    if (demand.isOutdated && (demand.kind === 'required' || isShown(ctx.req))) return close(ctx)
    const flaw = flawOf(ctx.req, demand.kind)
    if (flaw === undefined) return next()
    ctx.res.shouldKeepAlive = false
    throw new RegistryError('DENIED', undefined, flaw)
  }
}

function close(ctx: Context): void {
  ctx.respond = false
  ctx.req.socket.destroy()
}

// Not by `authorized` alone: OpenSSL finds nothing wrong with a TLS 1.3 session that goes on without any certificate.
function flawOf(request: IncomingMessage, kind: CertificateDemand['kind']): string | undefined {
  const { authorized, authorizationError } = request.socket as TLSSocket
  if (!isShown(request))
    return kind === 'required' ? 'This registry is for clients that show a certificate.' : undefined
  return authorized ? undefined : `The certificate of this client is not valid: ${authorizationError}.`
}

function isShown({ socket }: IncomingMessage): boolean {
  return Object.keys((socket as TLSSocket).getPeerCertificate()).length > 0
}
