import { type AccessToken, requestAccessToken } from './access-token.ts'
import type { Clock } from './clock.ts'
import type { Dispatcher } from './dispatcher.ts'

/** Where the parent's access tokens come from; checked against the configured host. */
export interface TokenEndpoint {
  readonly realm: URL
  readonly service?: string
}

/** Access tokens by scope, until shortly before they expire. */
export interface TokenCache {
  /** An Authorization header. One that was refused is never given out again: pass it as `refused`. */
  authorization(endpoint: TokenEndpoint, scope: string, wanted: Wanted): Promise<string>
  /** The parent wants more for this scope than we thought of; asked for from now on. */
  demand(scope: string, further: string): void
}

interface Wanted {
  readonly refused?: string
  readonly signal: AbortSignal
}

interface Deps {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly credentials: string
  readonly tokenName: string
}

interface HeldToken extends AccessToken {
  readonly renewAt: number
}

const tokenLimit = 1000

export function createTokenCache({ dispatcher, clock, credentials, tokenName }: Deps): TokenCache {
  const held = new Map<string, HeldToken>()
  const underWay = new Map<string, Promise<HeldToken>>()
  const demanded = new Map<string, string>()

  // One renewal at a time serves everybody who waits for it. No caller's signal ends it: the dispatcher's time-outs do.
  function renewal(endpoint: TokenEndpoint, scope: string): Promise<HeldToken> {
    // A request may need rights in two repositories: its scope names both, with a space between them.
    const scopes = [...scope.split(' '), demanded.get(scope) ?? ''].filter((text) => text !== '')
    const key = scopes.join(' ')
    const running = underWay.get(key)
    if (running) return running
    const started = renew(endpoint, scope, scopes).finally(() => underWay.delete(key))
    underWay.set(key, started)
    return started
  }

  async function renew(endpoint: TokenEndpoint, scope: string, scopes: readonly string[]): Promise<HeldToken> {
    const askedAt = clock.now()
    const { signal } = new AbortController()
    const token = await requestAccessToken(dispatcher, { ...endpoint, scopes, credentials, tokenName, signal })
    const renewed = { ...token, renewAt: askedAt + token.lifeMs - Math.min(30_000, token.lifeMs / 4) }
    remember(held, scope, renewed)
    return renewed
  }

  return {
    async authorization(endpoint, scope, { refused, signal }) {
      const token = held.get(scope)
      if (token && token.authorization !== refused && clock.now() < token.renewAt) return token.authorization
      return (await unlessAborted(renewal(endpoint, scope), signal)).authorization
    },
    demand: (scope, further) => remember(demanded, scope, further)
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > tokenLimit && oldest !== undefined) map.delete(oldest)
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
