import type { ScopeMap } from '../protocol/scope-map.ts'
import type { TokenScope } from '../protocol/token-scope.ts'

/** ACR's token: a name, up to two passwords and one scope map. */
export interface Token {
  readonly name: string
  readonly status: 'enabled' | 'disabled'
  readonly passwords: readonly TokenPassword[]
  readonly scopeMap: ScopeMap
}

export interface TokenPassword {
  /** See `passwords.ts`. */
  readonly hash: string
  /** RFC 3339; left out: it does not expire. */
  readonly expiry?: string
}

/** Who is asking, and what for at the most. */
export interface Identity {
  readonly name: string
  /** Of the token as the settings have it now. */
  readonly scopeMap: ScopeMap
  /** What the access token was issued for. Undefined: the password itself was shown, the scope map alone counts. */
  readonly access?: readonly TokenScope[]
}

/** The tokens as the settings have them at this moment, so that a change counts from the next request on. */
export interface Tokens {
  /** Undefined: unknown or disabled. */
  enabled(name: string): Token | undefined
  /** The hashes of its passwords that have not expired; none where it is unknown or disabled. */
  hashes(name: string): readonly string[]
}

export function createTokens(current: () => readonly Token[], now: () => number = Date.now): Tokens {
  const enabled = (name: string) => current().find((token) => token.name === name && token.status === 'enabled')
  return {
    enabled,
    hashes: (name) =>
      (enabled(name)?.passwords ?? []).filter(({ expiry }) => isAhead(expiry, now())).map(({ hash }) => hash)
  }
}

// An expiry that cannot be read has passed.
function isAhead(expiry: string | undefined, now: number): boolean {
  return expiry === undefined || now < Date.parse(expiry)
}
