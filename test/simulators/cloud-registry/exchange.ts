import type { IncomingHttpHeaders } from 'node:http'

/** What a request is about; faults are aimed at these names. `data` is the whole data endpoint. */
export type Route =
  | 'version'
  | 'token'
  | 'catalog'
  | 'manifest'
  | 'blob'
  | 'upload'
  | 'tags'
  | 'referrers'
  | 'metadata'
  | 'data'
  | 'unknown'

/** A request as the handlers see it. */
export interface Call {
  readonly server: 'login' | 'data'
  readonly route: Route
  readonly method: string
  readonly url: URL
  /** Empty where the route has none. */
  readonly repository: string
  /** The last part of the path where the route has one: a tag, a digest, an upload's id. */
  readonly reference: string
  readonly headers: IncomingHttpHeaders
  body(): Promise<Buffer>
}

/** An answer as a value, whole: faults may still spoil it before it is written. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type Handler = (call: Call) => Answer | Promise<Answer>

const nothing = new Uint8Array(0)

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers, body: nothing }
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: Buffer.from(JSON.stringify(value))
  }
}

/** A request that is refused, in the registry's error shape. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, more: RefusalMore = {}) {
    super(message)
    this.status = status
    this.code = code
    this.detail = more.detail
    this.headers = more.headers ?? {}
  }

  answer(): Answer {
    const error = { code: this.code, message: this.message, detail: this.detail }
    return json(this.status, { errors: [error] }, this.headers)
  }
}

export interface RefusalMore {
  readonly detail?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const manifestUnknown = (reference: string) =>
  new Refusal(404, 'MANIFEST_UNKNOWN', `manifest ${reference} is not found`, { detail: { reference } })

export const nameUnknown = (repository: string) =>
  new Refusal(404, 'NAME_UNKNOWN', 'repository name not known to registry', { detail: { name: repository } })

export const unsupported = () => new Refusal(405, 'UNSUPPORTED', 'The operation is unsupported.')
