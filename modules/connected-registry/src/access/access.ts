import type { Log } from '@connected-registry/edge-module/log.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { TokenScope } from '../protocol/token-scope.ts'
import { createAccessTokens, type IssuedToken } from './access-tokens.ts'
import { createAttempts } from './attempts.ts'
import { grantedScopes, type Mode } from './authorize.ts'
import { createCredentials, type Login, type Proof } from './credentials.ts'
import type { Delegation } from './delegation.ts'
import { createRefusalLog } from './refusal-log.ts'
import type { SigningKeys } from './signing-keys.ts'
import { createTokens, type Identity, isInForce, type Token } from './tokens.ts'

/** Who a request comes from: by password, or by an access token that was issued for one. */
export interface Access {
  /** Undefined: no such token, or not its password. Throws RegistryError TOOMANYREQUESTS. */
  signIn(login: Login): Promise<Identity | undefined>
  /** Undefined: not a token of ours, or no longer in force. */
  recognize(accessToken: string): Promise<Identity | undefined>
  /** An access token for what of the scopes the token's scope map and the mode allow, maybe nothing. Else as `signIn`. */
  issue(grant: Grant, request: TokenRequest): Promise<IssuedToken | undefined>
}

/** What is shown for an access token: a password, or the refresh token that stands for one. */
export type Grant = Login | { readonly refreshToken: string; readonly address: string }

export interface TokenRequest {
  readonly scopes: readonly TokenScope[]
  readonly mode: Mode
  /** With a refresh token beside it. */
  readonly offline?: boolean
}

export interface AccessOptions {
  /** The client tokens in force now; asked at each request. A change is another list. */
  readonly tokens: () => readonly Token[]
  readonly signingKeys: SigningKeys
  readonly instanceId: string
  /** Proves what `tokens` does not hold; left out, nobody does. */
  readonly delegation?: Pick<Delegation, 'tokens' | 'covers' | 'prove' | 'used'>
  /** Told of refused logins, at a bounded rate. */
  readonly log?: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** As that of credentials. */
  readonly nobodysHash?: string
}

export function createAccess({
  signingKeys,
  instanceId,
  delegation,
  log,
  now = Date.now,
  ...options
}: AccessOptions): Access {
  const tokens = createTokens(options.tokens, delegation?.tokens)
  const credentials = createCredentials({
    tokens,
    now,
    attempts: createAttempts({ now }),
    nobodysHash: options.nobodysHash
  })
  const accessTokens = createAccessTokens({ signingKeys, instanceId, tokens, now })
  const refusals = createRefusalLog({ log, now })

  async function signIn(login: Login): Promise<Identity | undefined> {
    const proof = await prove(login)
    return proof.kind === 'proved' ? identityOf(proof.token) : undefined
  }

  async function prove(login: Login): Promise<Proof> {
    const { name, address } = login
    const proof = await proveHereOrAbove(login).catch((error: unknown) => {
      if (error instanceof RegistryError) refusals.note({ name, address, reason: error.message })
      throw error
    })
    if (proof.kind === 'refused') refusals.note({ name, address, reason: proof.reason })
    return proof
  }

  async function proveHereOrAbove(login: Login): Promise<Proof> {
    const proof = await credentials.prove(login)
    if (proof.kind === 'proved') {
      delegation?.used(login.name, proof.hash, login.password)
      return proof
    }
    const hash = delegation?.covers(login.name) ? await delegation.prove(login) : undefined
    const token = tokens.find(login.name)
    // Another token may have got the name meanwhile: the parent did not speak of that one.
    const isProved = hash !== undefined && token !== undefined && isInForce(token, hash, now())
    return isProved ? { kind: 'proved', token, hash } : proof
  }

  async function issue(grant: Grant, { scopes, mode, offline }: TokenRequest): Promise<IssuedToken | undefined> {
    const shown = 'refreshToken' in grant ? await redeem(grant) : await prove(grant)
    if (!shown || !('token' in shown)) return undefined
    const { token, hash } = shown
    if ('refreshToken' in grant) delegation?.used(token.name, hash)
    const issued = await accessTokens.issue(token.name, hash, grantedScopes(identityOf(token), scopes, mode))
    return offline ? { ...issued, refreshToken: await accessTokens.issueRefreshToken(token.name, hash) } : issued
  }

  async function redeem({ refreshToken, address }: { readonly refreshToken: string; readonly address: string }) {
    const redeemed = await accessTokens.redeem(refreshToken)
    if (!redeemed) refusals.note({ address, reason: 'refresh token not in force' })
    return redeemed
  }

  return { signIn, recognize: accessTokens.recognize, issue }
}

function identityOf({ name, scopeMap, child }: Token): Identity {
  return { name, scopeMap, ...(child !== undefined && { child }) }
}
