import type { Context } from 'koa'
import type { Access, Grant } from '../access/access.ts'
import type { IssuedToken } from '../access/access-tokens.ts'
import type { Mode } from '../access/authorize.ts'
import { RegistryError } from '../protocol/errors.ts'
import { type Form, parseForm } from '../protocol/form.ts'
import { GrantError } from '../protocol/grant-error.ts'
import { parseTokenScopes, splitTokenScopes, type TokenScope } from '../protocol/token-scope.ts'
import type { Registry } from '../registry/registry.ts'
import { answerJson } from './answer.ts'
import { addressOf, basicLogin, basicRequired } from './authentication.ts'
import type { Handler } from './handler.ts'
import { readBody } from './request-body.ts'

// A scope is a few hundred bytes of an access token, which comes back in a header with each request.
const scopeLimit = 50
const tooManyScopes = `more than ${scopeLimit} scopes in one request`
// Anybody may send a form: it is small, and soon over.
const formLimits = { bytes: 64 * 1024, idleMs: 5000, totalMs: 15_000 } as const

/**
 * GET /acr/oauth2/token?service=&scope=&account=&offline_token=: an access token for a name and a password. What is not granted is
 * left out. `service` is what the client called us, `account` what it calls itself; both decide nothing. (ACR, "On the connected registry")
 */
export function getAccessToken(access: Access, mode: () => Mode, registry: Pick<Registry, 'wake'>): Handler {
  return async (ctx) => {
    const scopes = scopesIn(ctx.query.scope ?? [])
    if (!scopes) throw new RegistryError('TOO_LARGE', { limit: scopeLimit }, tooManyScopes)
    const login = basicLogin(ctx.req)
    const offline = ctx.query.offline_token === 'true'
    const issued = login && (await access.issue(login, { scopes, mode: mode(), offline }))
    if (!issued) throw basicRequired(ctx, new RegistryError('UNAUTHORIZED'))
    if (isToChange(issued)) registry.wake()
    answerToken(ctx, issued)
  }
}

/**
 * POST /acr/oauth2/token with `grant_type=password` (`username`, `password`) or `grant_type=refresh_token` (`refresh_token`), `scope`,
 * `access_type=offline` for a refresh token: the same answer. Failures in OAuth2's shape (token specification, "OAuth2").
 */
export function postAccessToken(access: Access, mode: () => Mode, registry: Pick<Registry, 'wake'>): Handler {
  return async (ctx) => {
    const form = parseForm(await readBody(ctx, formLimits))
    if (!form) throw new GrantError('invalid_request', 'the form is not UTF-8')
    const grant = grantIn(form, addressOf(ctx.req))
    const scopes = scopesIn(form.all('scope'))
    if (!scopes) throw new GrantError('invalid_scope', tooManyScopes)
    const offline = form.one('access_type') === 'offline'
    const issued = await access.issue(grant, { scopes, mode: mode(), offline })
    if (!issued) throw basicRequired(ctx, new GrantError('invalid_grant', 'the credentials are not valid'))
    if (isToChange(issued)) registry.wake()
    answerToken(ctx, issued)
  }
}

/** POST /oauth2/exchange turns tokens of Microsoft Entra into refresh tokens. Nobody here can tell whether one is genuine. */
export const refuseExchange: Handler = () => {
  const instead = 'ask for an access token with the name and password of a token'
  throw new GrantError('unsupported_grant_type', `this registry exchanges no Microsoft Entra tokens: ${instead}`)
}

function grantIn(form: Form, address: string): Grant {
  const kind = form.one('grant_type')
  if (kind === 'password') {
    return { name: required(form, 'username'), password: required(form, 'password'), address }
  }
  if (kind === 'refresh_token') return { refreshToken: required(form, 'refresh_token'), address }
  if (kind === undefined) required(form, 'grant_type')
  throw new GrantError('unsupported_grant_type', 'grant_type must be password or refresh_token')
}

function required(form: Form, name: string): string {
  const value = form.one(name)
  if (value === undefined) throw new GrantError('invalid_request', `${name} must be there once, and not be empty`)
  return value
}

/** Undefined: too many. They are counted before they are read. */
function scopesIn(texts: string | readonly string[]): readonly TokenScope[] | undefined {
  return splitTokenScopes(texts).length > scopeLimit ? undefined : parseTokenScopes(texts)
}

/** Its first request is on its way when the client has the answer. */
function isToChange({ access }: IssuedToken): boolean {
  return access.some(({ type, actions }) => type === 'repository' && actions.some(isChanging))
}

function isChanging(action: string): boolean {
  return action === 'push' || action === 'delete'
}

function answerToken(ctx: Context, { accessToken, lifetimeSeconds, issuedAt, refreshToken }: IssuedToken): void {
  const times = { expires_in: lifetimeSeconds, issued_at: issuedAt.toISOString() }
  // Clients look for one name or the other (token specification, "Token Response Fields").
  const token = { access_token: accessToken, token: accessToken, refresh_token: refreshToken, ...times }
  answerJson(ctx, 200, token, { 'Cache-Control': 'no-store' })
}
