import { hash, randomUUID } from 'node:crypto'
import { errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { TokenScope } from '../protocol/token-scope.ts'
import { createRemembered } from './remembered.ts'
import { refreshAlgorithm, type SigningKeys, signingAlgorithm } from './signing-keys.ts'
import { type Identity, isInForce, type Token, type Tokens } from './tokens.ts'

/** The bearers that this instance issues for minutes, and takes back (ACR, "JWT claims"). */
export interface AccessTokens {
  /** `passwordHash`: of the password that was shown; the access token ends with it. */
  issue(name: string, passwordHash: string, access: readonly TokenScope[]): Promise<IssuedToken>
  /** Undefined: forged, expired, of another instance, or its token or password is no longer in force. */
  recognize(text: string): Promise<Identity | undefined>
  /** Stands for the password at the token endpoint, and lasts as long as it does. */
  issueRefreshToken(name: string, passwordHash: string): Promise<string>
  /** The token and the hash of the password that a refresh token stands for. Undefined as for `recognize`. */
  redeem(refreshToken: string): Promise<{ readonly token: Token; readonly hash: string } | undefined>
}

export interface IssuedToken {
  readonly accessToken: string
  readonly lifetimeSeconds: number
  readonly issuedAt: Date
  /** What it is for. */
  readonly access: readonly TokenScope[]
  /** Only where one was asked for. */
  readonly refreshToken?: string
}

export interface AccessTokensOptions {
  readonly signingKeys: SigningKeys
  /** The only audience: a token for one tier of a site is nothing at the next one. */
  readonly instanceId: string
  readonly tokens: Tokens
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const issuer = 'Connected Registry'
const lifetimeSeconds = 15 * 60
const toleranceSeconds = 5
const recognizedLimit = 1024
/** RFC 7515, 2 and 7.1: no white space, which decoders skip; a token has one spelling. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/

const commonClaims = { sub: z.string(), version: z.literal('1.0'), password: z.string() }
const accessClaims = z.object({
  ...commonClaims,
  exp: z.number(),
  grant_type: z.literal('access_token'),
  access: z.array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()) }))
})
type AccessClaims = z.infer<typeof accessClaims>
const refreshClaims = z.object({ ...commonClaims, grant_type: z.literal('refresh_token') })

/** What is known of an access token, and the token of the settings it was last compared with. */
interface Recognized {
  readonly claims: AccessClaims
  readonly hash: string
  token: Token
  identity: Identity
}

/** A signature is checked once: after that the text, while it lasts, tells its claims. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { signingKeys, instanceId, tokens, now = Date.now } = options
  const recognized = createRemembered<Recognized>({ now, limit: recognizedLimit })

  async function issue(name: string, passwordHash: string, access: readonly TokenScope[]): Promise<IssuedToken> {
    const { id, privateKey } = await signingKeys.current()
    const issuedAt = new Date(Math.floor(now() / 1000) * 1000)
    const accessToken = await draft(name, passwordHash, { grant_type: 'access_token', roles: [], access }, issuedAt)
      .setProtectedHeader({ alg: signingAlgorithm, typ: 'JWT', kid: id })
      .setExpirationTime(issuedAt.getTime() / 1000 + lifetimeSeconds)
      .sign(privateKey)
    return { accessToken, lifetimeSeconds, issuedAt, access }
  }

  function issueRefreshToken(name: string, passwordHash: string): Promise<string> {
    return draft(name, passwordHash, { grant_type: 'refresh_token' }, new Date(now()))
      .setProtectedHeader({ alg: refreshAlgorithm, typ: 'JWT' })
      .sign(signingKeys.refreshSecret)
  }

  function draft(
    name: string,
    passwordHash: string,
    claims: Readonly<Record<string, unknown>>,
    issuedAt: Date
  ): SignJWT {
    return new SignJWT({ version: '1.0', password: fingerprint(passwordHash), ...claims })
      .setJti(randomUUID())
      .setSubject(name)
      .setIssuer(issuer)
      .setAudience(instanceId)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
  }

  async function recognize(text: string): Promise<Identity | undefined> {
    const known = recognized.recall(text)
    return known ? stillInForce(known) : verify(text)
  }

  function stillInForce(known: Recognized): Identity | undefined {
    const token = tokens.find(known.claims.sub)
    if (!token || !isInForce(token, known.hash, now())) return undefined
    if (token !== known.token) {
      known.token = token
      known.identity = identityOf(token, known.claims)
    }
    return known.identity
  }

  async function verify(text: string): Promise<Identity | undefined> {
    const payload = await verified(text, ({ kid = '' }) => ourKey(kid), { algorithms: [signingAlgorithm] })
    const claims = accessClaims.safeParse(payload)
    const password = claims.success ? passwordOf(claims.data) : undefined
    if (!claims.success || !password) return undefined
    const identity = identityOf(password.token, claims.data)
    const until = (claims.data.exp + toleranceSeconds) * 1000
    recognized.note(text, { claims: claims.data, ...password, identity }, until)
    return identity
  }

  async function redeem(refreshToken: string) {
    const payload = await verified(refreshToken, () => signingKeys.refreshSecret, { algorithms: [refreshAlgorithm] })
    const claims = refreshClaims.safeParse(payload)
    return claims.success ? passwordOf(claims.data) : undefined
  }

  function ourKey(id: string): CryptoKey {
    const key = signingKeys.publicKey(id)
    if (!key) throw new errors.JWKSNoMatchingKey()
    return key
  }

  // Our keys and our algorithm, whatever the header says: `jwk`, `jku` and `x5u` are never looked at (CVE-2025-24976), and
  // `kid` only chooses among keys of ours.
  async function verified(text: string, key: JWTVerifyGetKey, checks: JWTVerifyOptions): Promise<unknown> {
    if (!compact.test(text)) return undefined
    const clock = { currentDate: new Date(now()), clockTolerance: toleranceSeconds }
    try {
      return (await jwtVerify(text, key, { typ: 'JWT', issuer, audience: instanceId, ...checks, ...clock })).payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }

  /** Undefined: the password that the bearer was issued for is no longer in force. */
  function passwordOf(claims: { readonly sub: string; readonly password: string }) {
    const token = tokens.find(claims.sub)
    const password = token?.passwords.find(({ hash }) => fingerprint(hash) === claims.password)
    return token && password && isInForce(token, password.hash, now()) ? { token, hash: password.hash } : undefined
  }

  return { issue, recognize, issueRefreshToken, redeem }
}

function identityOf({ name, scopeMap, child }: Token, { access }: AccessClaims): Identity {
  return { name, scopeMap, access, ...(child !== undefined && { child }) }
}

// The salt in a hash is never told to anybody, so that nothing can be guessed from its fingerprint.
function fingerprint(passwordHash: string): string {
  return hash('sha256', passwordHash, 'base64url')
}
