import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import type { Access } from '../access/access.ts'
import type { Login } from '../access/credentials.ts'
import type { Identity } from '../access/tokens.ts'
import { parseAuthorization } from '../protocol/authorization.ts'
import { formatBearerChallenge } from '../protocol/challenge.ts'
import { RegistryError } from '../protocol/errors.ts'
import { formatTokenScope, type TokenScope } from '../protocol/token-scope.ts'
import { externalUrl } from './external-url.ts'

export const tokenPath = '/acr/oauth2/token'

/** Whoever the `Authorization` header proves: Bearer or Basic. Undefined: nobody. */
export async function authenticate(access: Access, request: IncomingMessage): Promise<Identity | undefined> {
  const shown = parseAuthorization(request.headers.authorization)
  if (shown?.kind === 'bearer') return access.recognize(shown.accessToken)
  return shown && access.signIn({ ...shown, address: addressOf(request) })
}

/** The name and password of a request with Basic authentication. */
export function basicLogin(request: IncomingMessage): Login | undefined {
  const shown = parseAuthorization(request.headers.authorization)
  return shown?.kind === 'basic' ? { ...shown, address: addressOf(request) } : undefined
}

/** The other end of the socket, whatever a header says. */
export function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? 'unknown'
}

/** 401 with the way to an access token for `scope` (distribution's token specification, "How to authenticate"). */
export function bearerRequired(ctx: Context, scope?: TokenScope, error?: 'invalid_token' | 'insufficient_scope') {
  const { origin, host } = externalUrl(ctx.req)
  const wanted = scope && formatTokenScope(scope)
  const challenge = formatBearerChallenge({ realm: origin + tokenPath, service: host, scope: wanted, error })
  ctx.res.setHeader('WWW-Authenticate', challenge)
  return new RegistryError('UNAUTHORIZED', scope && detailOf(scope))
}

/** The failure, with the word that a name and a password will do. */
export function basicRequired<Failure extends RegistryError>(ctx: Context, failure: Failure): Failure {
  ctx.res.setHeader('WWW-Authenticate', `Basic realm="${externalUrl(ctx.req).origin}", charset="UTF-8"`)
  return failure
}

// The shape is distribution's, which ACR keeps.
function detailOf({ type, name, actions }: TokenScope): unknown {
  return actions.map((action) => ({ Type: type, Name: name, Action: action }))
}
