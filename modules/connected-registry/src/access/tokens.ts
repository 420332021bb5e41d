import type { ScopeMap } from '../protocol/scope-map.ts'
import type { TokenScope } from '../protocol/token-scope.ts'

/** ACR's token: a name, up to two passwords and one scope map. Never changed: a change is another object. */
export interface Token {
  readonly name: string
  readonly status: 'enabled' | 'disabled'
  readonly passwords: readonly TokenPassword[]
  readonly scopeMap: ScopeMap
  /** A sync token's: the connected registry below this one that it belongs to. */
  readonly child?: string
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
  readonly child?: string
  /** What the access token was issued for. Undefined: the password itself was shown, the scope map alone counts. */
  readonly access?: readonly TokenScope[]
}

/** The tokens that are known at this moment, enabled or not, so that a change counts from the next request on. */
export interface Tokens {
  find(name: string): Token | undefined
}

type TokenList = () => readonly Token[]

/** Each list is asked for at each look, and read only when it is another one than before. Of one name the first list's counts. */
export function createTokens(...lists: readonly (TokenList | undefined)[]): Tokens {
  const given = lists.filter((list) => list !== undefined)
  let read: readonly (readonly Token[])[] = []
  let byName: ReadonlyMap<string, Token> = new Map()
  return {
    find(name) {
      if (given.some((list, at) => list() !== read[at])) {
        read = given.map((list) => list())
        byName = new Map(read.toReversed().flatMap((tokens) => tokens.map((token) => [token.name, token])))
      }
      return byName.get(name)
    }
  }
}

/** True while the token is enabled and this hash is one of its passwords that have not expired. */
export function isInForce(token: Token, hash: string, now: number): boolean {
  return (
    token.status === 'enabled' && token.passwords.some((password) => password.hash === hash && isAhead(password, now))
  )
}

// An expiry that cannot be read has passed.
export function isAhead({ expiry }: TokenPassword, now: number): boolean {
  return expiry === undefined || now < Date.parse(expiry)
}

/** ACR's grammar of a token's name. */
export function isTokenName(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9._-]{1,127}$/.test(text)
}
