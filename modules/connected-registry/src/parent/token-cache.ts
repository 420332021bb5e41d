import { type AccessToken, requestAccessToken } from './access-token.ts'
import type { Clock } from './clock.ts'
import type { Dispatcher } from './dispatcher.ts'
import { ParentError } from './parent-error.ts'

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
  /** The scopes of each list will be wanted one after the other: one token may serve many of them. */
  announce(lists: readonly (readonly string[])[]): void
  /** Whether this header serves several scopes at once. */
  isShared(authorization: string): boolean
  /** The parent's token service does not do what is asked for several scopes at once: one at a time for an hour. */
  keepApart(): void
}

interface Wanted {
  readonly refused?: string
  /** It was refused for what it grants in this scope, not for its age: it may be good for the others yet. */
  readonly isTooNarrow?: boolean
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
/** A token goes along in a header, and servers take 8 KiB of one: each scope adds about half as much again to it. */
const mergeLimits = { scopes: 50, characters: 3000 }
/** A token service that refuses merged scopes is not asked for them again for a while. */
const aloneForMs = 60 * 60_000

export function createTokenCache({ dispatcher, clock, credentials, tokenName }: Deps): TokenCache {
  const held = new Map<string, HeldToken>()
  const underWay = new Map<string, Promise<HeldToken>>()
  const demanded = new Map<string, string>()
  let announced: readonly (readonly string[])[] = []
  let aloneUntil = 0

  // One renewal at a time serves everybody who waits for it. No caller's signal ends it: the dispatcher's time-outs do.
  function renewal(endpoint: TokenEndpoint, wanted: readonly string[]): Promise<HeldToken> {
    // A request may need rights in two repositories: its scope names both, with a space between them.
    const scopes = wanted
      .flatMap((scope) => [...scope.split(' '), demanded.get(scope) ?? ''])
      .filter((text) => text !== '')
    const key = scopes.join(' ')
    const running = underWay.get(key)
    if (running) return running
    const started = renew(endpoint, wanted, scopes).finally(() => {
      for (const each of [key, ...wanted]) if (underWay.get(each) === started) underWay.delete(each)
    })
    for (const each of [key, ...wanted]) underWay.set(each, started)
    return started
  }

  async function renew(endpoint: TokenEndpoint, wanted: readonly string[], scopes: readonly string[]) {
    const askedAt = clock.now()
    const { signal } = new AbortController()
    const token = await requestAccessToken(dispatcher, { ...endpoint, scopes, credentials, tokenName, signal })
    const renewed = { ...token, renewAt: askedAt + token.lifeMs - Math.min(30_000, token.lifeMs / 4) }
    for (const scope of wanted) remember(held, scope, renewed)
    return renewed
  }

  function validToken(scope: string, refused?: string): HeldToken | undefined {
    const token = held.get(scope)
    return token && token.authorization !== refused && clock.now() < token.renewAt ? token : undefined
  }

  /** The scope with those that come after it and have no token yet, as far as one token can hold them. */
  function withNext(scope: string): readonly string[] {
    const list = announced.find((scopes) => scopes.includes(scope))
    if (!list || clock.now() < aloneUntil) return [scope]
    const group: string[] = []
    let characters = 0
    for (const next of list.slice(list.indexOf(scope))) {
      characters += next.length + (demanded.get(next)?.length ?? 0)
      if (group.length === mergeLimits.scopes || (group.length > 0 && characters > mergeLimits.characters)) break
      if (next === scope || !(validToken(next) || underWay.has(next))) group.push(next)
    }
    return group
  }

  async function obtain(endpoint: TokenEndpoint, scope: string, isAlone: boolean): Promise<HeldToken> {
    const group = isAlone ? [scope] : withNext(scope)
    if (group.length === 1) return renewal(endpoint, group)
    try {
      return await renewal(endpoint, group)
    } catch (error) {
      if (!(error instanceof ParentError) || error.retryable || error.code === 'UNAUTHORIZED') throw error
      // The one scope alone tells whether it was the company that was refused.
      const token = await renewal(endpoint, [scope])
      keepApart()
      return token
    }
  }

  function keepApart(): void {
    aloneUntil = clock.now() + aloneForMs
  }

  return {
    async authorization(endpoint, scope, { refused, isTooNarrow = false, signal }) {
      if (refused !== undefined && !isTooNarrow) forget(held, refused)
      const token = validToken(scope, refused)
      if (token) return token.authorization
      const running = isTooNarrow ? undefined : underWay.get(scope)
      return (await unlessAborted(running ?? obtain(endpoint, scope, isTooNarrow), signal)).authorization
    },
    demand: (scope, further) => remember(demanded, scope, further),
    announce(lists) {
      announced = lists
    },
    isShared: (authorization) => {
      const serving = Array.from(held.values()).filter((token) => token.authorization === authorization)
      return serving.length > 1
    },
    keepApart
  }
}

function forget(held: Map<string, HeldToken>, authorization: string): void {
  for (const [scope, token] of held) if (token.authorization === authorization) held.delete(scope)
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
