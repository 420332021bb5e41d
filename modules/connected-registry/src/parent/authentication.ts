import { type Challenge, parseChallenges } from '../protocol/challenge.ts'
import type { ParentConnection } from '../protocol/connection-string.ts'
import { type Answer, headerOf, refusal } from './answer.ts'
import type { Clock } from './clock.ts'
import type { Dispatcher, ParentRequest } from './dispatcher.ts'
import { ParentError } from './parent-error.ts'
import { realmOf } from './realm.ts'
import { createTokenCache, type TokenEndpoint } from './token-cache.ts'

/** Requests to the login server with what it demands: nothing, Basic, or an access token for the request's scope. */
export interface Authentication {
  /** As `Dispatcher.request`. `read` never sees a 401: it became one renewal, then ParentError UNAUTHORIZED or DENIED. */
  request<T>(request: ScopedRequest, read: (answer: Answer) => Promise<T>): Promise<T>
  /** The scopes of each list will be asked for one after the other: one access token may serve many. */
  announce(lists: readonly (readonly string[])[]): void
}

export interface ScopedRequest extends ParentRequest {
  /** Left out: it is enough to be known. */
  readonly scope?: string
}

interface Deps {
  readonly connection: ParentConnection
  readonly dispatcher: Dispatcher
  readonly clock: Clock
}

/** What a 401 said. */
interface Refusal {
  readonly answer: Answer
  readonly challenges: readonly Challenge[]
  readonly parentCode: string | undefined
}

export function createAuthentication({ connection, dispatcher, clock }: Deps): Authentication {
  const { name: tokenName, password } = connection.syncToken
  const credentials = `Basic ${Buffer.from(`${tokenName}:${password}`).toString('base64')}`
  const tokens = createTokenCache({ dispatcher, clock, credentials, tokenName })
  /** How the parent wants us to prove who we are, as far as it told. */
  let proof: 'none' | 'basic' | TokenEndpoint = 'none'

  async function authorizationFor({ scope = '', signal }: ScopedRequest, former: Partial<Former> = {}) {
    if (proof === 'none') return undefined
    return proof === 'basic' ? credentials : tokens.authorization(proof, scope, { ...former, signal })
  }

  function learn({ challenges, answer }: Refusal, scope: string | undefined): void {
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer')
    const basic = challenges.some((challenge) => challenge.scheme === 'basic')
    if (!bearer) {
      proof = basic ? 'basic' : 'none'
      return
    }
    proof = { realm: realmOf(connection, bearer, answer), service: bearer.service }
    if (scope && bearer.scope && isMoreOfTheSame(scope, bearer.scope)) tokens.demand(scope, bearer.scope)
  }

  async function attempt<T>(
    request: ScopedRequest,
    authorization: string | undefined,
    read: (answer: Answer) => Promise<T>
  ): Promise<Outcome<T>> {
    const headers = { ...request.headers, ...(authorization ? { authorization } : {}) }
    return dispatcher.request({ ...request, headers }, async (answer) => {
      if (answer.status !== 401) return { kind: 'answered', value: await read(answer) }
      const { parentCode } = await refusal(answer)
      const challenges = parseChallenges(headerOf(answer, 'www-authenticate'))
      return { kind: 'refused', refusal: { answer, challenges, parentCode } }
    })
  }

  return {
    async request(request, read) {
      if (request.url.origin !== connection.loginServerUrl.origin) throw new TypeError('this is not the login server')
      const first = await authorizationFor(request)
      const outcome = await attempt(request, first, read)
      if (outcome.kind === 'answered') return outcome.value
      learn(outcome.refusal, request.scope)
      const isTooNarrow = saysTooNarrow(outcome.refusal)
      const second = await authorizationFor(request, { refused: first, isTooNarrow })
      // The same proof again would only look like guessing.
      if (second === first) throw refusedError(tokenName, outcome.refusal)
      const again = await attempt(request, second, read)
      if (again.kind === 'answered') return again.value
      if (!second || !tokens.isShared(second)) throw refusedError(tokenName, again.refusal)
      const alone = await attempt(
        request,
        await authorizationFor(request, { refused: second, isTooNarrow: true }),
        read
      )
      if (alone.kind !== 'answered') throw refusedError(tokenName, alone.refusal)
      tokens.keepApart()
      return alone.value
    },
    announce: tokens.announce
  }
}

/** What was tried before. */
interface Former {
  readonly refused: string | undefined
  readonly isTooNarrow: boolean
}

type Outcome<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

// RFC 6750, section 3.1: `insufficient_scope` is not about who we are.
function saysTooNarrow({ challenges }: Refusal): boolean {
  return challenges.some((challenge) => challenge.error === 'insufficient_scope')
}

function refusedError(tokenName: string, refusal: Refusal): ParentError {
  const { answer, parentCode } = refusal
  const code = saysTooNarrow(refusal) ? 'DENIED' : 'UNAUTHORIZED'
  const { operation, url, status } = answer
  return new ParentError(code, { operation, url, status, parentCode, detail: `token ${tokenName}` })
}

// Our own scope, with other actions: a challenge must not make us ask for a token for something else.
function isMoreOfTheSame(ours: string, theirs: string): boolean {
  return theirs !== ours && resourceOf(theirs) === resourceOf(ours)
}

function resourceOf(scope: string): string {
  return scope.slice(0, scope.lastIndexOf(':'))
}
