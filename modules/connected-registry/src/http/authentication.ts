import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import type { Access } from '../access/access.ts'
import type { Login, NameAndPassword } from '../access/credentials.ts'
import type { Identity } from '../access/tokens.ts'
import { formatBearerChallenge } from '../protocol/challenge.ts'
import { RegistryError } from '../protocol/errors.ts'
import { formatTokenScope, type TokenScope } from '../protocol/token-scope.ts'
import { externalUrl } from './external-url.ts'

export const tokenPath = '/acr/oauth2/token'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Whoever the `Authorization` header proves: Bearer or Basic. Undefined: nobody. */
export async function authenticate(access: Access, request: IncomingMessage): Promise<Identity | undefined> {
  const { scheme, value } = readAuthorization(request)
  if (scheme === 'bearer') return access.recognize(value)
  const login = scheme === 'basic' ? loginIn(request, value) : undefined
  return login && access.signIn(login)
}

/** The name and password of a request with Basic authentication. */
export function basicLogin(request: IncomingMessage): Login | undefined {
  const { scheme, value } = readAuthorization(request)
  return scheme === 'basic' ? loginIn(request, value) : undefined
}

/** The other end of the socket. Undefined: it is gone already. */
export function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? 'unknown'
}

function loginIn(request: IncomingMessage, value: string): Login | undefined {
  const credentials = readBasic(value)
  return credentials && { ...credentials, address: addressOf(request) }
}

/** 401 with the way to an access token for `scope` (distribution's token specification, "How to authenticate"). */
export function bearerRequired(ctx: Context, scope?: TokenScope, error?: 'invalid_token' | 'insufficient_scope') {
  const { origin, host } = externalUrl(ctx.req)
  const wanted = scope && formatTokenScope(scope)
  const challenge = formatBearerChallenge({ realm: origin + tokenPath, service: host, scope: wanted, error })
  ctx.res.setHeader('WWW-Authenticate', challenge)
  return new RegistryError('UNAUTHORIZED', scope && detailOf(scope))
}

/** 401 where only a name and a password will do. */
export function basicRequired(ctx: Context): RegistryError {
  ctx.res.setHeader('WWW-Authenticate', `Basic realm="${externalUrl(ctx.req).origin}", charset="UTF-8"`)
  return new RegistryError('UNAUTHORIZED')
}

function readAuthorization({ headers: { authorization = '' } }: IncomingMessage): { scheme: string; value: string } {
  const space = authorization.indexOf(' ')
  if (space < 0) return { scheme: '', value: '' }
  return { scheme: authorization.slice(0, space).toLowerCase(), value: authorization.slice(space + 1).trim() }
}

// RFC 7617: a name holds no colon, a password may. What is not UTF-8 belongs to nobody.
function readBasic(value: string): NameAndPassword | undefined {
  const text = decode(Buffer.from(value, 'base64'))
  const colon = text?.indexOf(':') ?? -1
  return text === undefined || colon < 1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    // TextDecoder throws for nothing but malformed bytes.
    return undefined
  }
}

// The shape is distribution's, which ACR keeps.
function detailOf({ type, name, actions }: TokenScope): unknown {
  return actions.map((action) => ({ Type: type, Name: name, Action: action }))
}
