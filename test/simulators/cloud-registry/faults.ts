import { gzipSync } from 'node:zlib'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Answer, Call, Route } from './exchange.ts'

/** What goes wrong. Bytes are counted in the answer's body. */
export type Fault =
  /**
   * Silence: before anything, or behind the headers and `afterBytes` of the body. It ends when `until` resolves, and
   * then goes on as if nothing had been; without it, when the client leaves.
   */
  | { readonly kind: 'hang'; readonly afterBytes?: number; readonly until?: Promise<unknown> }
  /** The connection is reset: before anything (the request has no effect), or behind the headers and `afterBytes`. */
  | { readonly kind: 'cut'; readonly afterBytes?: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** One byte differs, by default the middle one; length and headers are right. */
  | { readonly kind: 'wrong-bytes'; readonly at?: number }
  /** A body whose digest is not the one asked for, though it reads the same: a line end more, unless one is given. */
  | { readonly kind: 'other-body'; readonly body?: Uint8Array }
  | { readonly kind: 'wrong-digest-header' }
  /** The body compressed, with a `Content-Encoding` that nobody asked for. */
  | { readonly kind: 'gzip' }
  /** The redirect leads to a link whose life is over. */
  | { readonly kind: 'expired-link' }
  /** Any answer in place of the true one, which has no effect. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }

/** Everything given must hold. Content comes from the route `data` where blobs are redirected, else from `blob`. */
export interface RequestMatcher {
  readonly server?: 'login' | 'data'
  readonly route?: Route
  readonly method?: string
  readonly repository?: string
  /** Matched against the path without its query. */
  readonly path?: RegExp
}

export interface Faults {
  /** The oldest rule that matches and is not used up strikes. `times`: how often; always where left out. */
  add(on: RequestMatcher, fault: Fault, options?: { readonly times?: number }): FaultRule
  clear(): void
}

export interface FaultRule {
  /** How often it has struck. */
  readonly struck: number
  remove(): void
}

export const serverError = (status = 503): Fault => refusal(status, 'UNKNOWN', 'unknown error')

/** As ACR throttles: 429 with `Retry-After`. */
export const throttled = (retryAfterSeconds: number): Fault =>
  refusal(429, 'TOOMANYREQUESTS', 'too many requests', { 'retry-after': String(retryAfterSeconds) })

export function createFaults(): Faults & { take(call: Call): Fault | undefined } {
  const rules: { on: RequestMatcher; fault: Fault; times: number; struck: number }[] = []
  return {
    add(on, fault, { times = Number.POSITIVE_INFINITY } = {}) {
      const rule = { on, fault, times, struck: 0 }
      rules.push(rule)
      return {
        get struck() {
          return rule.struck
        },
        remove() {
          rule.times = 0
        }
      }
    },
    clear() {
      rules.length = 0
    },
    take(call) {
      const rule = rules.find(({ on, times, struck }) => struck < times && matches(on, call))
      if (rule) rule.struck += 1
      return rule?.fault
    }
  }
}

export function matches({ server, route, method, repository, path }: RequestMatcher, call: Call): boolean {
  if (server !== undefined && server !== call.server) return false
  if (route !== undefined && route !== call.route) return false
  if (method !== undefined && method !== call.method) return false
  if (repository !== undefined && repository !== call.repository) return false
  return path === undefined || path.test(call.url.pathname)
}

/** The answer as the fault leaves it; most faults are a matter of writing it. */
export function spoil(fault: Fault | undefined, answer: Answer, expire: (link: string) => string): Answer {
  if (fault?.kind === 'wrong-bytes') return { ...answer, body: flipped(answer.body, fault.at) }
  if (fault?.kind === 'other-body')
    return { ...answer, body: fault.body ?? Buffer.concat([answer.body, Buffer.from('\n')]) }
  if (fault?.kind === 'gzip') return { ...withHeader(answer, 'content-encoding', 'gzip'), body: gzipSync(answer.body) }
  if (fault?.kind === 'wrong-digest-header') {
    return withHeader(answer, 'docker-content-digest', digestOf(Buffer.from('something else')))
  }
  const { location } = answer.headers
  return fault?.kind === 'expired-link' && location ? withHeader(answer, 'location', expire(location)) : answer
}

function flipped(body: Uint8Array, at = Math.floor(body.length / 2)): Uint8Array {
  const copy = Uint8Array.from(body)
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

function withHeader(answer: Answer, name: string, value: string): Answer {
  return { ...answer, headers: { ...answer.headers, [name]: value } }
}

function refusal(status: number, code: string, message: string, headers: Record<string, string> = {}): Fault {
  const body = JSON.stringify({ errors: [{ code, message }] })
  return { kind: 'answer', status, headers: { 'content-type': 'application/json', ...headers }, body }
}
