import type { Answer, Call, Route } from './exchange.ts'
import { matches, type RequestMatcher } from './faults.ts'

/** A request as it came in. No secret is in it: the kind of a credential, and no query of a signed link. */
export interface RecordedRequest {
  readonly server: 'login' | 'data'
  readonly route: Route
  readonly method: string
  /** Path and query; at the data endpoint the path alone. */
  readonly url: string
  readonly repository: string
  readonly authorization: 'none' | 'Basic' | 'Bearer' | 'other'
  readonly range?: string
  /** Undefined while there is no answer. */
  readonly status?: number
}

export interface RequestLog {
  /** In the order they came. */
  readonly requests: readonly RecordedRequest[]
  clearRequests(): void
  /** The next request that matches, when it has come in and before it is answered. */
  nextRequest(on: RequestMatcher, signal?: AbortSignal): Promise<RecordedRequest>
}

interface Waiting {
  readonly on: RequestMatcher
  readonly resolve: (request: RecordedRequest) => void
}

/** `begin` records a request, and gives a function that notes its answer. */
export function createRequestLog(): RequestLog & { begin(call: Call): (answer: Answer) => void } {
  const requests: RecordedRequest[] = []
  const waiting = new Set<Waiting>()
  return {
    requests,
    clearRequests() {
      requests.length = 0
    },
    async nextRequest(on, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<RecordedRequest>()
      const wait = { on, resolve }
      const giveUp = () => reject(signal?.reason)
      if (signal?.aborted) giveUp()
      waiting.add(wait)
      signal?.addEventListener('abort', giveUp, { once: true })
      return await promise.finally(() => {
        waiting.delete(wait)
        signal?.removeEventListener('abort', giveUp)
      })
    },
    begin(call) {
      const record: { status?: number } & RecordedRequest = { ...summary(call) }
      requests.push(record)
      for (const { on, resolve } of waiting) if (matches(on, call)) resolve(record)
      return ({ status }) => {
        record.status = status
      }
    }
  }
}

function summary({ server, route, method, url, repository, headers }: Call): RecordedRequest {
  return {
    server,
    route,
    method,
    url: server === 'data' ? url.pathname : url.pathname + url.search,
    repository,
    authorization: kindOf(headers.authorization),
    ...(headers.range !== undefined && { range: headers.range })
  }
}

function kindOf(authorization: string | undefined): RecordedRequest['authorization'] {
  if (authorization === undefined) return 'none'
  const [kind] = authorization.split(' ')
  return kind === 'Basic' || kind === 'Bearer' ? kind : 'other'
}
