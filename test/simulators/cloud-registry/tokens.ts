import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { Now } from './clock.ts'
import { type Grant, grantedActions } from './scopes.ts'

/** A token of the registry, with the actions of its scope map. */
export interface CloudToken {
  readonly name: string
  readonly password: string
  readonly actions: readonly string[]
  readonly enabled?: boolean
  /** Whether it may list the catalog: an administrator may, a token with a scope map may not. */
  readonly catalog?: boolean
}

/** Who may do what in the cloud. Changes count for the next access token; those that were issued live on. */
export interface Tokens {
  /** Adds a token or replaces the one of that name. */
  set(token: CloudToken): void
  remove(name: string): boolean
  /** The token of a name and password, where it is enabled. */
  find(name: string, password: string): CloudToken | undefined
  issue(token: CloudToken, wanted: readonly Grant[]): string
  /** What an access token grants; undefined where it was forged, is for another registry, or has expired. */
  verify(accessToken: string): readonly Grant[] | undefined
  readonly lifeSeconds: number
}

export interface TokensOptions {
  readonly tokens: readonly CloudToken[]
  readonly audience: () => string
  readonly lifeSeconds: number
  readonly now: Now
}

interface Claims {
  readonly aud: string
  readonly exp: number
  readonly access: readonly Grant[]
}

export function createTokens({ tokens, audience, lifeSeconds, now }: TokensOptions): Tokens {
  const known = new Map(tokens.map((token) => [token.name, token]))
  const key = randomBytes(32)
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url')
  return {
    lifeSeconds,
    set: (token) => void known.set(token.name, token),
    remove: (name) => known.delete(name),
    find(name, password) {
      const token = known.get(name)
      return token?.password === password && token.enabled !== false ? token : undefined
    },
    issue(token, wanted) {
      const issued = Math.floor(now() / 1000)
      const text = `${encode({ typ: 'JWT', alg: 'HS256' })}.${encode({
        jti: randomUUID(),
        sub: token.name,
        nbf: issued,
        exp: issued + lifeSeconds,
        iat: issued,
        iss: 'Azure Container Registry',
        aud: audience(),
        version: '1.0',
        access: wanted.map((scope) => narrow(token, scope)).filter(({ actions }) => actions.length > 0),
        roles: [],
        grant_type: 'access_token'
      })}`
      return `${text}.${sign(text)}`
    },
    verify(accessToken) {
      const [header, payload = '', signature = ''] = accessToken.split('.')
      if (!sameText(signature, sign(`${header}.${payload}`))) return undefined
      const claims: Claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
      return claims.aud === audience() && claims.exp > now() / 1000 ? claims.access : undefined
    }
  }
}

/** A scope cut down to what the token may do. */
function narrow(token: CloudToken, { type, name, actions }: Grant): Grant {
  const granted = type === 'repository' ? grantedActions(token.actions, name) : catalogActions(token, type, name)
  return { type, name, actions: actions.includes('*') ? granted : actions.filter((action) => granted.includes(action)) }
}

function catalogActions(token: CloudToken, type: string, name: string): readonly string[] {
  return token.catalog && type === 'registry' && name === 'catalog' ? ['*'] : []
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
