import { z } from 'zod'
import { badAnswer, discard, readJson, refusal } from './answer.ts'
import type { Dispatcher } from './dispatcher.ts'
import { ParentError } from './parent-error.ts'

/** What to ask a token endpoint for (distribution's token specification, "Requesting a Token"). */
export interface TokenRequest {
  /** The endpoint, checked by the caller: the credentials go there. */
  readonly realm: URL
  readonly service?: string
  readonly scopes: readonly string[]
  /** An Authorization header. */
  readonly credentials: string
  /** Named in errors. */
  readonly tokenName: string
  readonly signal: AbortSignal
}

export interface AccessToken {
  readonly text: string
  /** An Authorization header. */
  readonly authorization: string
  readonly lifeMs: number
}

const answerLimit = 256 * 1024
const defaultLifeSeconds = 60
const longestLifeSeconds = 24 * 60 * 60

// A token is sent in a header: nothing may be in it that could end one, nor be longer than servers take.
const tokenText = z
  .string()
  .regex(/^[\x21-\x7e]{1,15000}$/)
  .optional()
const tokenAnswer = z.object({ token: tokenText, access_token: tokenText, expires_in: z.number().nullish() })

/** Throws ParentError UNAUTHORIZED where the credentials are wrong, REDIRECT_REFUSED where they should be sent elsewhere. */
export async function requestAccessToken(dispatcher: Dispatcher, request: TokenRequest): Promise<AccessToken> {
  const { realm, credentials, tokenName, signal } = request
  const operation = `token for ${tokenName}`
  const headers = { authorization: credentials, accept: 'application/json' }
  return dispatcher.request({ operation, method: 'GET', url: tokenUrl(request), headers, signal }, async (answer) => {
    if (answer.status >= 300 && answer.status < 400) {
      await discard(answer)
      throw new ParentError('REDIRECT_REFUSED', { operation, url: realm, status: answer.status })
    }
    if (answer.status !== 200) throw await refusal(answer)
    const body = await readJson(answer, tokenAnswer, answerLimit)
    const token = body.access_token ?? body.token
    if (token === undefined) throw badAnswer(answer, 'it holds no token')
    const lifeMs = 1000 * lifeSeconds(token, body.expires_in ?? undefined)
    return { text: token, authorization: `Bearer ${token}`, lifeMs }
  })
}

function tokenUrl({ realm, service, scopes }: TokenRequest): URL {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return url
}

// A span, never a moment: the date of a device may be wrong.
function lifeSeconds(token: string, expiresIn: number | undefined): number {
  const life = expiresIn ?? spanOfJwt(token) ?? defaultLifeSeconds
  return Math.min(Math.max(life, 0), longestLifeSeconds)
}

const life = z.object({ iat: z.number(), exp: z.number() })

function spanOfJwt(token: string): number | undefined {
  const claims = claimsOf(token, life)
  return claims && claims.exp - claims.iat
}

/** What a token says of itself, unverified. Undefined: an access token may be any text. */
export function claimsOf<T>(token: string, schema: z.ZodType<T>): T | undefined {
  try {
    const payload = Buffer.from(token.split('.', 3)[1] ?? '', 'base64url').toString()
    return schema.safeParse(JSON.parse(payload)).data
  } catch {
    return undefined
  }
}
