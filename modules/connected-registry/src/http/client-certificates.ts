import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Middleware } from 'koa'
import { RegistryError } from '../protocol/errors.ts'
import { isHealthPath } from './health.ts'

/** Whether clients have to show a certificate, or may; one that is shown has to be valid either way. */
export type ClientCertificates = 'required' | 'optional'

/** Refuses, by 403 and in words, what the handshake let through: a client whose handshake fails is told nothing of use. */
export function checkClientCertificate(asked: () => ClientCertificates | undefined): Middleware {
  return (ctx, next) => {
    const kind = asked()
    const flaw = kind === undefined || isHealthPath(ctx.path) ? undefined : flawOf(ctx.req, kind)
    if (flaw === undefined) return next()
    ctx.res.shouldKeepAlive = false
    throw new RegistryError('DENIED', undefined, flaw)
  }
}

// Not by `authorized` alone: OpenSSL finds nothing wrong with a TLS 1.3 session that goes on without any certificate.
function flawOf({ socket }: IncomingMessage, kind: ClientCertificates): string | undefined {
  const { authorized, authorizationError } = socket as TLSSocket
  const isShown = Object.keys((socket as TLSSocket).getPeerCertificate()).length > 0
  if (!isShown) return kind === 'required' ? 'This registry is for clients that show a certificate.' : undefined
  return authorized ? undefined : `The certificate of this client is not valid: ${authorizationError}.`
}
