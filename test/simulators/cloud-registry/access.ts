import { type Answer, type Call, json, Refusal, unsupported } from './exchange.ts'
import { type Grant, parseScopes } from './scopes.ts'
import type { Tokens } from './tokens.ts'

/** What a request needs: one of `actions`, or no more than a valid access token where there are none. */
export type Need = Grant

export interface Access {
  /** Throws the challenge (401) unless the request's access token grants what it needs. */
  check(call: Call, need: Need): void
  /** Whether the request may do more than it needs: a mount reads another repository. */
  allows(call: Call, need: Need): boolean
  /** `GET` and `POST /oauth2/token`. */
  token(call: Call): Promise<Answer>
}

export interface AccessOptions {
  readonly tokens: Tokens
  /** `https://<login server>`, for who asked at this `host:port`. */
  readonly url: (asked?: string) => string
  readonly loginServer: () => string
  /** ACR answers `access_token` alone; the others `token`. */
  readonly acr: boolean
}

export function createAccess({ tokens, url, loginServer, acr }: AccessOptions): Access {
  const grantsOf = ({ headers }: Call) => {
    const [, accessToken] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    return accessToken === undefined ? undefined : tokens.verify(accessToken)
  }
  const allows = (call: Call, need: Need) => meets(grantsOf(call), need)

  const challenge = (call: Call, { type, name, actions }: Need) => {
    const parts = [`realm="${url(call.headers.host)}/oauth2/token"`, `service="${loginServer()}"`]
    if (actions.length > 0) parts.push(`scope="${type}:${name}:${wanted(actions)}"`)
    if (call.headers.authorization) parts.push(`error="${grantsOf(call) ? 'insufficient_scope' : 'invalid_token'}"`)
    return new Refusal(401, 'UNAUTHORIZED', 'authentication required', {
      detail: actions.slice(0, 1).map((action) => ({ Type: type, Name: name, Action: action })),
      headers: { 'www-authenticate': `Bearer ${parts.join(',')}` }
    })
  }

  const issue = (name: string, password: string, scopes: readonly string[]): Answer => {
    const token = tokens.find(name, password)
    if (!token) throw incorrectPassword()
    const accessToken = tokens.issue(token, parseScopes(scopes))
    if (acr) return json(200, { access_token: accessToken })
    return json(200, { token: accessToken, expires_in: tokens.lifeSeconds })
  }

  return {
    allows,
    check(call, need) {
      if (!allows(call, need)) throw challenge(call, need)
    },
    async token(call) {
      if (call.method === 'GET') {
        const { name, password } = basicOf(call)
        return issue(name, password, call.url.searchParams.getAll('scope'))
      }
      if (call.method !== 'POST') throw unsupported()
      const form = new URLSearchParams((await call.body()).toString())
      if (form.get('grant_type') !== 'password') throw incorrectPassword()
      return issue(form.get('username') ?? '', form.get('password') ?? '', form.getAll('scope'))
    }
  }
}

function meets(grants: readonly Grant[] | undefined, { type, name, actions }: Need): boolean {
  if (!grants) return false
  if (actions.length === 0) return true
  return grants
    .filter((grant) => grant.type === type && grant.name === name)
    .some((grant) => actions.some((action) => grant.actions.includes(action)))
}

/** The scope of the first action: who may push is told to ask for reading too. */
function wanted([action]: readonly string[]): string {
  return action === 'push' ? 'pull,push' : (action ?? '')
}

function basicOf({ headers }: Call): { readonly name: string; readonly password: string } {
  const [, encoded = ''] = /^Basic +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return { name: text.slice(0, Math.max(colon, 0)), password: text.slice(colon + 1) }
}

function incorrectPassword(): Refusal {
  const detail = 'Please visit https://aka.ms/acr#UNAUTHORIZED for more information.'
  return new Refusal(401, 'UNAUTHORIZED', 'Incorrect Password', { detail })
}
