import type { TokenScope } from '../protocol/token-scope.ts'
import { createAccessTokens, type IssuedToken } from './access-tokens.ts'
import { grantedScopes, type Mode } from './authorize.ts'
import { createCredentials } from './credentials.ts'
import type { SigningKey } from './signing-key.ts'
import { createTokens, type Identity, type Token } from './tokens.ts'

/** Who a request comes from: by password, or by an access token that was issued for one. */
export interface Access {
  /** Undefined: no such token, or not its password. Throws RegistryError TOOMANYREQUESTS. */
  signIn(name: string, password: string): Promise<Identity | undefined>
  /** Undefined: not a token of ours, or no longer in force. */
  recognize(accessToken: string): Promise<Identity | undefined>
  /** An access token for what of `scopes` the token's scope map and the mode allow, maybe nothing. Else as `signIn`. */
  issue(credentials: NameAndPassword, scopes: readonly TokenScope[], mode: Mode): Promise<IssuedToken | undefined>
}

export interface NameAndPassword {
  readonly name: string
  readonly password: string
}

export interface AccessOptions {
  /** The client tokens in force now; asked at each request. */
  readonly tokens: () => readonly Token[]
  readonly signingKey: SigningKey
  readonly instanceId: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export function createAccess({ tokens: current, signingKey, instanceId, now = Date.now }: AccessOptions): Access {
  const tokens = createTokens(current, now)
  const credentials = createCredentials({ tokens, now })
  const accessTokens = createAccessTokens({ signingKey, instanceId, tokens, now })

  async function signIn(name: string, password: string): Promise<Identity | undefined> {
    const hash = await credentials.prove(name, password)
    return hash === undefined ? undefined : identityOf(name)
  }

  function identityOf(name: string): Identity | undefined {
    const token = tokens.enabled(name)
    return token && { name, scopeMap: token.scopeMap }
  }

  return {
    signIn,
    recognize: accessTokens.recognize,
    async issue({ name, password }, scopes, mode) {
      const hash = await credentials.prove(name, password)
      const identity = identityOf(name)
      if (hash === undefined || !identity) return undefined
      return accessTokens.issue(name, hash, grantedScopes(identity, scopes, mode))
    }
  }
}
