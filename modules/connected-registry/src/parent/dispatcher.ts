import { Readable } from 'node:stream'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createAddressGuard, type Resolve } from './address-guard.ts'
import { type Answer, refusal } from './answer.ts'
import { createBandwidth } from './bandwidth.ts'
import { type Breaker, type BreakerPolicy, createBreaker, defaultBreakerPolicy } from './breaker.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Connections, createConnections, defaultTimeouts, type Timeouts, type Traffic } from './connections.ts'
import type { ContentAnswer } from './content-connections.ts'
import { networkError } from './network-error.ts'
import { ParentError } from './parent-error.ts'
import type { ProxySettings } from './proxies.ts'
import { defaultRetryPolicy, pauseBeforeRetry, type RetryPolicy } from './retry.ts'

/** The one way out of this module's host: time-outs, retries, one breaker a host, and the count of what they cost. */
export interface Dispatcher {
  /**
   * Gives the answer to `read`, which reads its body, discards it or hands it on. Asks again where that may help, also when
   * `read` fails so. Answers 408, 429 and 5xx become a ParentError; redirects are never followed.
   */
  request<T>(request: ParentRequest, read: (answer: Answer) => Promise<T>): Promise<T>
  /** Names the parent: connections go to this machine, its link or a metadata service only where it is there itself. */
  know(parentHost: string): void
  /** How long to wait before the next attempt of what is sent once, milliseconds. Undefined: there is none. `attempt` counts from 0. */
  pauseBefore(error: unknown, attempt: number): number | undefined
  traffic(): Traffic
  /** Ends every request that is under way. */
  close(): Promise<void>
}

export interface ParentRequest {
  readonly operation: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Begun anew for each attempt. Chunks must stay as they are. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>)
  readonly signal: AbortSignal
  /** Whether it may be repeated can only be told by whoever asks: it is sent once. */
  readonly once?: boolean
  /** What the parent needs for its answer beside the time that every answer may take. */
  readonly workMs?: number
  /** Content that may take hours, a body of ours or the answer: only its idle time is limited. A refusal is no content. */
  readonly endless?: boolean
}

export interface DispatcherOptions {
  /** PEM, trusted beside the system's. */
  readonly certificateAuthorities?: readonly string[]
  readonly timeouts?: Partial<Timeouts>
  readonly retry?: Partial<RetryPolicy>
  readonly breaker?: Partial<BreakerPolicy>
  readonly log?: Log
  readonly clock?: Clock
  readonly random?: () => number
  readonly proxies?: ProxySettings | undefined
  /** Others wait for the event loop, as of now: content comes in smaller pieces. */
  readonly yields?: () => boolean
  /** Bits per second as of now, in each direction; undefined: no limit. */
  readonly bandwidth?: () => number | undefined
  /** How names become addresses; the system's way by default. */
  readonly resolve?: Resolve
}

interface Transmission {
  readonly url: URL
  readonly method: ParentRequest['method']
  readonly headers: Readonly<Record<string, string>>
  readonly headersMs: number
  readonly body: Readable | Uint8Array | null
  readonly signal: AbortSignal
}

const noBytes = { sentBytes: 0, receivedBytes: 0 }
// A body is wanted as it is: its digest is of these bytes.
const commonHeaders = { 'accept-encoding': 'identity', 'user-agent': 'connected-registry' }
const unhealthyStatus: readonly number[] = [502, 503, 504]
const repeatableStatus: readonly number[] = [408, 429, 500, ...unhealthyStatus]

export function createDispatcher(options: DispatcherOptions = {}): Dispatcher {
  const { log, clock = systemClock, random = Math.random } = options
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  const retry = { ...defaultRetryPolicy, ...options.retry }
  const guard = createAddressGuard(options.resolve)
  const { certificateAuthorities = [], proxies, yields } = options
  let connections: Connections | undefined
  const connected = () =>
    (connections ??= createConnections({ timeouts, certificateAuthorities, guard, proxies, yields }))
  const bandwidth = createBandwidth(options.bandwidth ?? (() => undefined), clock)
  const breakers = createBreakers({ ...defaultBreakerPolicy, ...options.breaker }, { clock, random })
  const closing = new AbortController()
  let requests = 0
  let writeRequests = 0
  let failures = 0

  async function exchange<T>(request: ParentRequest, read: (answer: Answer) => Promise<T>): Promise<T> {
    const breaker = breakers(request.url)
    const pass = breaker.enter()
    const detail = breaker.reason && `it ${breaker.reason}`
    if (!pass) throw new ParentError('BREAKER_OPEN', { ...request, detail, retryAfterMs: breaker.waitMs() })
    const fail = (reason: string) => {
      failures++
      pass.failed(reason)
    }
    const answer = await ask(request).catch((error) => {
      if (error instanceof ParentError) fail(error.what)
      else pass.abandoned()
      throw error
    })
    if (unhealthyStatus.includes(answer.status)) fail(`answered ${answer.status}`)
    else pass.succeeded()
    if (repeatableStatus.includes(answer.status)) throw await refusal(answer)
    return read(answer)
  }

  async function ask(request: ParentRequest): Promise<Answer> {
    const { operation, method, url, headers, signal, workMs = 0 } = request
    const { deadline, begin, end } = createDeadline(timeouts.answerMs + workMs, request)
    const body = bodyToSend(request.body, (bytes) => bandwidth.sent(bytes, signal))
    if (request.body instanceof Uint8Array) await bandwidth.sent(request.body.byteLength, signal)
    const failure = (cause: unknown) =>
      body?.failure() ?? networkError(cause, 'UNREACHABLE', { operation, url, signal, deadline })
    requests++
    if (method !== 'GET' && method !== 'HEAD') writeRequests++
    const sent = { url, method, headers: { ...commonHeaders, ...headers }, headersMs: timeouts.headersMs + workMs }
    const whole = { ...sent, body: body?.content ?? null, signal: AbortSignal.any([signal, deadline]) }
    const answered = await transmit(whole, request.endless === true && body === undefined).catch((cause) => {
      end()
      throw failure(cause)
    })
    const { status } = answered
    begin(status)
    log?.debug({ operation, method, host: url.host, path: url.pathname, status }, 'parent answered')
    const cut = (cause: unknown) => networkError(cause, 'INTERRUPTED', { operation, url, signal, deadline })
    const admit = (bytes: number) => bandwidth.received(bytes, signal)
    const close = () => {
      end()
      answered.destroy()
    }
    return {
      operation,
      url,
      status,
      headers: answered.headers,
      body: bodyOf(answered.body, { cut, admit, end }),
      close
    }
  }

  /** Content comes by the reader made for it, where it can; all else by undici. */
  async function transmit(request: Transmission, isContent: boolean): Promise<ContentAnswer> {
    const { url, method, headers, headersMs, body, signal } = request
    const read =
      isContent && method === 'GET' ? await connected().content?.get({ url, headers, headersMs, signal }) : undefined
    if (read) return read
    const sent = { method, headers, body, headersTimeout: headersMs, signal }
    const { statusCode: status, ...response } = await connected().request(url, sent)
    // Whoever reads the body learns of its failure; one that nobody reads yet must not end the process.
    response.body.on('error', () => {})
    return { status, headers: response.headers, body: response.body, destroy: () => void response.body.destroy() }
  }

  return {
    async request(request, read) {
      const signal = AbortSignal.any([request.signal, closing.signal])
      for (let attempt = 0; ; attempt++) {
        signal.throwIfAborted()
        try {
          return await exchange({ ...request, signal }, read)
        } catch (error) {
          const pause = request.once ? undefined : pauseBeforeRetry(error, attempt, retry, random)
          // An open breaker would only hide what happened.
          if (pause === undefined || breakers(request.url).waitMs() > pause) throw error
          log?.warn(
            { operation: request.operation, host: request.url.host, pauseMs: pause, reason: String(error) },
            'request to the parent retried'
          )
          await clock.sleep(pause, signal)
        }
      }
    },
    know: guard.know,
    pauseBefore: (error, attempt) => pauseBeforeRetry(error, attempt, retry, random),
    traffic: () => ({ requests, writeRequests, failures, ...(connections?.bytes() ?? noBytes) }),
    async close() {
      closing.abort()
      await connections?.destroy()
    }
  }
}

/** What a stream of our own fails of is no failure of the network: `failure` tells it. */
function bodyToSend(body: ParentRequest['body'], admit: (bytes: number) => Promise<void>) {
  if (typeof body !== 'function') return body && { content: body, failure: () => undefined }
  let failed: unknown
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of content) {
        await admit(chunk.byteLength)
        yield chunk
      }
    } catch (error) {
      failed = error
      throw error
    }
  }
  return { content: Readable.from(watched(body()), { objectMode: false }), failure: () => failed }
}

/**
 * Content may take hours. What comes in its place, such as a refusal, has the time of any other answer, and so has what comes
 * before it: a parent may send interim answers (1xx) without an end. A body of ours is sent first, and what is said to it is short.
 */
function createDeadline(answerMs: number, { endless = false, body }: ParentRequest) {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const start = () => {
    timer = setTimeout(() => late.abort(), answerMs).unref()
  }
  // A timer would hold what it ends until its time is over, long after the answer: at ten minutes, of very many requests.
  const end = () => clearTimeout(timer)
  if (!endless || !body) start()
  const begin = (status: number) => {
    if (!endless) return
    end()
    if (body || status >= 300) start()
  }
  return { deadline: late.signal, begin, end }
}

interface Reading {
  readonly cut: (cause: unknown) => unknown
  readonly admit: (bytes: number) => Promise<void>
  readonly end: () => void
}

async function* bodyOf(body: AsyncIterable<Uint8Array>, { cut, admit, end }: Reading): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      await admit(chunk.byteLength)
      yield chunk
    }
  } catch (cause) {
    throw cut(cause)
  } finally {
    end()
  }
}

const breakerLimit = 64

/** One breaker a host: storage behind a redirect may fail while the login server is well, and the other way round. */
function createBreakers(policy: BreakerPolicy, deps: Parameters<typeof createBreaker>[1]): (url: URL) => Breaker {
  const breakers = new Map<string, Breaker>()
  return (url) => {
    const breaker = breakers.get(url.origin) ?? createBreaker(policy, deps)
    breakers.delete(url.origin)
    breakers.set(url.origin, breaker)
    // The least recently used one goes: what we were redirected to must not grow without an end.
    const [oldest] = breakers.keys()
    if (breakers.size > breakerLimit && oldest !== undefined) breakers.delete(oldest)
    return breaker
  }
}
