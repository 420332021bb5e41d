import { hash, randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { TokenScope } from '../protocol/token-scope.ts'
import { type SigningKey, signingAlgorithm } from './signing-key.ts'
import type { Identity, Tokens } from './tokens.ts'

/** The bearers that this instance issues for minutes, and takes back (ACR, "JWT claims"). */
export interface AccessTokens {
  /** `passwordHash`: of the password that was shown; the access token ends with it. */
  issue(name: string, passwordHash: string, access: readonly TokenScope[]): Promise<IssuedToken>
  /** Undefined: forged, expired, of another instance, or its token or password is no longer in force. */
  recognize(text: string): Promise<Identity | undefined>
}

export interface IssuedToken {
  readonly accessToken: string
  readonly lifetimeSeconds: number
  readonly issuedAt: Date
}

export interface AccessTokensOptions {
  readonly signingKey: SigningKey
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

const claimsShape = z.object({
  sub: z.string(),
  exp: z.number(),
  version: z.literal('1.0'),
  grant_type: z.literal('access_token'),
  password: z.string(),
  access: z.array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()) }))
})
type Claims = z.infer<typeof claimsShape>

/** A signature is checked once: after that the text itself, while it lasts, is the key to its claims. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { signingKey, instanceId, tokens, now = Date.now } = options
  const recognized = new Map<string, Claims>()

  async function issue(name: string, passwordHash: string, access: readonly TokenScope[]): Promise<IssuedToken> {
    const issuedAt = new Date(Math.floor(now() / 1000) * 1000)
    const claims = { version: '1.0', grant_type: 'access_token', password: fingerprint(passwordHash), access }
    const accessToken = await new SignJWT(claims)
      .setProtectedHeader({ alg: signingAlgorithm, typ: 'JWT' })
      .setJti(randomUUID())
      .setSubject(name)
      .setIssuer(issuer)
      .setAudience(instanceId)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt.getTime() / 1000 + lifetimeSeconds)
      .sign(signingKey.privateKey)
    return { accessToken, lifetimeSeconds, issuedAt }
  }

  async function recognize(text: string): Promise<Identity | undefined> {
    const claims = recognized.get(text) ?? (await verify(text))
    if (!claims || isOver(claims)) {
      recognized.delete(text)
      return undefined
    }
    return identityOf(claims)
  }

  async function verify(text: string): Promise<Claims | undefined> {
    const payload = await verifiedPayload(text)
    const claims = claimsShape.safeParse(payload)
    if (!claims.success) return undefined
    const [oldest] = recognized.keys()
    if (oldest !== undefined && recognized.size >= recognizedLimit) recognized.delete(oldest)
    recognized.set(text, claims.data)
    return claims.data
  }

  // Our key and our algorithm, whatever the header says: `jwk`, `jku`, `x5u` and `kid` are never looked at (CVE-2025-24976).
  async function verifiedPayload(text: string): Promise<unknown> {
    const checks = { algorithms: [signingAlgorithm], typ: 'JWT', issuer, audience: instanceId }
    const clock = { currentDate: new Date(now()), clockTolerance: toleranceSeconds }
    try {
      const { payload } = await jwtVerify(text, signingKey.publicKey, { ...checks, ...clock })
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }

  function isOver(claims: Claims): boolean {
    return now() >= (claims.exp + toleranceSeconds) * 1000
  }

  function identityOf({ sub, password, access }: Claims): Identity | undefined {
    const token = tokens.enabled(sub)
    const inForce = tokens.hashes(sub).some((passwordHash) => fingerprint(passwordHash) === password)
    return token && inForce ? { name: sub, scopeMap: token.scopeMap, access } : undefined
  }

  return { issue, recognize }
}

// The salt in a hash is never told to anybody, so that nothing can be guessed from its fingerprint.
function fingerprint(passwordHash: string): string {
  return hash('sha256', passwordHash, 'base64url')
}
