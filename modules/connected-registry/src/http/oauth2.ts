import type { Access } from '../access/access.ts'
import type { Mode } from '../access/authorize.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseTokenScopes } from '../protocol/token-scope.ts'
import { answerJson } from './answer.ts'
import { basicLogin, basicRequired } from './authentication.ts'
import type { Handler } from './handler.ts'

// A scope is a few hundred bytes of an access token, which comes back in a header with each request.
const scopeLimit = 50

/**
 * GET /acr/oauth2/token?service=&scope=&account=: an access token for a name and a password. What is not granted is left out.
 * `service` is what the client called us; it decides nothing. (ACR, "On the connected registry")
 */
export function getAccessToken(access: Access, mode: () => Mode): Handler {
  return async (ctx) => {
    const login = basicLogin(ctx.req)
    const scopes = parseTokenScopes(ctx.query.scope ?? []).slice(0, scopeLimit)
    const issued = login && (await access.issue(login, { scopes, mode: mode() }))
    if (!issued) throw basicRequired(ctx)
    const { accessToken, lifetimeSeconds, issuedAt } = issued
    const times = { expires_in: lifetimeSeconds, issued_at: issuedAt.toISOString() }
    // Clients look for one name or the other (token specification, "Token Response Fields").
    const token = { access_token: accessToken, token: accessToken, ...times }
    answerJson(ctx, 200, token, { 'Cache-Control': 'no-store' })
  }
}

/** POST is for refresh tokens, which we do not issue: on 405 containerd falls back to GET. */
export const refuseTokenPost: Handler = (ctx) => {
  ctx.res.setHeader('Allow', 'GET, HEAD')
  throw new RegistryError('UNSUPPORTED')
}
