import { z } from 'zod'
import { parseChallenges } from '../protocol/challenge.ts'
import type { ParentConnection } from '../protocol/connection-string.ts'
import { formatTokenScope, type TokenScope } from '../protocol/token-scope.ts'
import { type AccessToken, claimsOf, requestAccessToken } from './access-token.ts'
import { addressKind } from './addresses.ts'
import { type Answer, discard, headerOf, refusal } from './answer.ts'
import type { Dispatcher } from './dispatcher.ts'
import { ParentError, type ParentErrorDetails } from './parent-error.ts'
import { urlOf } from './parent-link.ts'
import { realmOf } from './realm.ts'
import type { TokenEndpoint } from './token-cache.ts'

export interface ClientCredential {
  readonly name: string
  readonly password: string
}

/** What the parent's token endpoint says of credentials that clients showed here. Every other outcome is a ParentError. */
export interface TokenProofs {
  /** False only where the parent itself says no to exactly this: a 401 with a registry's error in it. */
  isValid(credential: ClientCredential, signal: AbortSignal): Promise<boolean>
  /** What it grants of these repositories, and nothing else, whatever its answer says. */
  grants(
    credential: ClientCredential,
    repositories: readonly string[],
    signal: AbortSignal
  ): Promise<readonly TokenScope[]>
}

interface Deps {
  readonly connection: ParentConnection
  readonly dispatcher: Dispatcher
}

const everyAction = ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'] as const
const readingActions = ['pull', 'metadata_read'] as const
// A scope is some eighty characters of a URL, and comes back in an access token.
const batchSize = 20
const parallel = 4

export function createTokenProofs({ connection, dispatcher }: Deps): TokenProofs {
  let known: TokenEndpoint | undefined

  /** Throws where a client's credential must not go, and where there is nobody who could judge it. */
  async function endpoint(signal: AbortSignal): Promise<TokenEndpoint> {
    const url = urlOf({ connection }, '/v2/')
    if (!isPrivate(connection)) throw unproved({ url }, 'it is not reached by https')
    known ??= await dispatcher.request({ operation, method: 'GET', url, signal }, endpointIn)
    return known
  }

  async function endpointIn(answer: Answer): Promise<TokenEndpoint> {
    if (answer.status !== 401 && answer.status !== 200) throw await refusal(answer)
    await discard(answer)
    const bearer = parseChallenges(headerOf(answer, 'www-authenticate')).find(({ scheme }) => scheme === 'bearer')
    if (answer.status !== 401 || !bearer) throw unproved(answer, 'it has no token service')
    return { realm: realmOf(connection, bearer, answer), service: bearer.service }
  }

  async function ask(
    credential: ClientCredential,
    scopes: readonly string[],
    signal: AbortSignal
  ): Promise<AccessToken> {
    const { name, password } = credential
    const credentials = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    const request = { ...(await endpoint(signal)), scopes, credentials, tokenName: name, signal }
    return requestAccessToken(dispatcher, request).catch((error: unknown) => {
      // It may have moved; the next one looks again.
      if (!isRefusal(error)) known = undefined
      throw error
    })
  }

  /** A registry may grant a part, or refuse all where one is too much: then each is asked for by itself, and reading alone. */
  async function granted(
    credential: ClientCredential,
    wanted: readonly TokenScope[],
    signal: AbortSignal
  ): Promise<readonly TokenScope[]> {
    try {
      const token = await ask(credential, wanted.map(formatTokenScope), signal)
      return grantsIn(token, wanted)
    } catch (error) {
      if (!isRefusal(error)) throw error
      const found: TokenScope[] = []
      for (const part of partsOf(wanted)) found.push(...(await granted(credential, part, signal)))
      return found
    }
  }

  return {
    async isValid(credential, signal) {
      try {
        // Without a scope it is the credential alone that is judged.
        const token = await ask(credential, [], signal)
        requireSubject(token, credential.name, connection)
        return true
      } catch (error) {
        if (isRefusal(error) && error.status === 401) return false
        throw error
      }
    },
    async grants(credential, repositories, signal) {
      const batches = batchesOf(repositories).values()
      const found: TokenScope[] = []
      const work = async () => {
        for (const batch of batches) found.push(...(await granted(credential, batch, signal)))
      }
      await Promise.all(Array.from({ length: parallel }, work))
      return found
    }
  }
}

const operation = 'client token'

/** Plain HTTP is for a parent on this very machine, such as a simulated one: elsewhere anybody could read along, or answer. */
function isPrivate({ protocol, loginServerUrl: { hostname } }: ParentConnection): boolean {
  return protocol === 'https' || hostname === 'localhost' || addressKind(hostname) === 'loopback'
}

function unproved(details: Pick<ParentErrorDetails, 'url' | 'status'>, detail: string): ParentError {
  const { url, status } = details
  return new ParentError('TOKENS_NOT_PROVED', { operation, url, status, detail })
}

/** The registry's own no. A 401 of anybody else, such as a proxy, or without a code, tells nothing. */
function isRefusal(error: unknown): error is ParentError {
  if (!(error instanceof ParentError)) return false
  const { status, parentCode } = error
  return (status === 401 && parentCode === 'UNAUTHORIZED') || (status === 403 && parentCode === 'DENIED')
}

const subject = z.object({ sub: z.string() })

// Where anybody may pull, a token endpoint gives a token to nobody as well: a wrong password would pass for a right one.
function requireSubject({ text }: AccessToken, name: string, connection: ParentConnection): void {
  if (claimsOf(text, subject)?.sub.toLowerCase() === name.toLowerCase()) return
  throw unproved({ url: urlOf({ connection }, '/v2/') }, 'its access token does not say whose it is')
}

const access = z.object({
  access: z.array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()).nullable() })).nullish()
})

/** Of what was asked for: an answer grants no other repository and no other action. */
function grantsIn({ text }: AccessToken, wanted: readonly TokenScope[]): readonly TokenScope[] {
  const entries = claimsOf(text, access)?.access ?? []
  return wanted
    .map(({ type, name, actions }) => {
      const given = entries.filter((entry) => entry.type === type && entry.name === name)
      return { type, name, actions: actions.filter((action) => given.some((entry) => entry.actions?.includes(action))) }
    })
    .filter(({ actions }) => actions.length > 0)
}

function batchesOf(repositories: readonly string[]): readonly (readonly TokenScope[])[] {
  const scopes = repositories.map((name) => ({ type: 'repository', name, actions: everyAction }))
  return Array.from({ length: Math.ceil(scopes.length / batchSize) }, (_, at) =>
    scopes.slice(at * batchSize, (at + 1) * batchSize)
  )
}

/** Halves; of one repository reading alone; then nothing. */
function partsOf(wanted: readonly TokenScope[]): readonly (readonly TokenScope[])[] {
  const [one] = wanted
  if (!one) return []
  if (wanted.length === 1) return one.actions === everyAction ? [[{ ...one, actions: readingActions }]] : []
  const half = Math.ceil(wanted.length / 2)
  return [wanted.slice(0, half), wanted.slice(half)]
}
