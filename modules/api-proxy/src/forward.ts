import {
  type Agent,
  ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse
} from 'node:http'
import type { Socket } from 'node:net'
import { Stream } from 'node:stream'
import type { Log } from '@connected-registry/edge-module/log.ts'
import httpProxy from 'http-proxy'
import { answerError, passContinue } from './answers.ts'
import { AnswerTimeoutError, isStale, reasonOf } from './failures.ts'
import {
  answeredHeaders,
  flawOf,
  forwardedHeaders,
  hasBody,
  type Origin,
  type Translation,
  withOrigin
} from './headers.ts'
import { createOutageLog } from './outage-log.ts'
import { formatAddress, hostOf, type Upstream } from './routes.ts'

export interface ForwardLimits {
  /** Name look-up and connection, milliseconds. */
  readonly connectTimeoutMs: number
  /** From the end of the request to the head of the answer, milliseconds. Bodies take the time they need. */
  readonly answerTimeoutMs: number
}

export const forwardLimits: ForwardLimits = { connectTimeoutMs: 3_000, answerTimeoutMs: 60_000 }

export interface ForwardOptions {
  readonly upstream: Upstream
  /** Makes the connections, over TLS where the upstream wants it, and is closed with the forward. */
  readonly agent: Agent
  readonly log: Log
  readonly limits?: ForwardLimits
  /** More headers about the client. Where it rejects, the request is answered as if nobody were there. */
  readonly introduce?: (request: IncomingMessage) => Promise<IncomingHttpHeaders>
  /** The other side takes itself for the outermost door: URLs in its answers that name it are made to name this one. */
  readonly isDoor?: boolean
}

export interface Forward {
  /** Passes a request on and its answer back, both as streams. Answers 400, 502 and 504 itself; does not throw. */
  forward(request: IncomingMessage, response: ServerResponse): void
  /** Passes on a request to go on in another protocol, where that is possible there. */
  upgrade?(request: IncomingMessage, socket: Socket, head: Buffer): void
  /** Connections that are idle, now or after what is under way, are closed. */
  retire(): void
  /** Closes the connections to the other side. */
  close(): void
}

/** One request on its way there and back. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly isSecondAttempt: boolean
  readonly kind: Upstream['kind']
  /** What the client sees in place of the upstream's own origin, where that is not left as it is. */
  readonly origin?: Translation
}

/** The way to one place. http-proxy makes the request; what becomes of it is decided here. */
export function createForward(options: ForwardOptions): Forward {
  const { upstream, agent, log, limits = forwardLimits, introduce, isDoor = false } = options
  const { kind, address, protocol } = upstream
  const host = hostOf(upstream)
  const target = { ...address, protocol: `${protocol}:` }
  const proxy = httpProxy.createProxyServer({ target, agent, toProxy: true, selfHandleResponse: true })
  const outage = createOutageLog(log)

  function attempt(exchange: Exchange): void {
    let outgoing: ClientRequest | undefined
    const buffer = new Handover((made) => {
      outgoing = made
      carry(made, exchange, limits)
    })
    proxy.web(exchange.request, exchange.response, { buffer }, (error) => failed(error, exchange, outgoing))
  }

  function failed(error: Error, exchange: Exchange, outgoing?: ClientRequest): void {
    const { request, response } = exchange
    if (response.destroyed || response.writableEnded) return
    if (isStale(error, exchange, outgoing?.reusedSocket === true)) {
      attempt({ ...exchange, isSecondAttempt: true })
      return
    }
    const code = error instanceof AnswerTimeoutError ? 'TIMEOUT' : 'UNAVAILABLE'
    outage.report({ to: kind, at: formatAddress(address), method: request.method, code, reason: reasonOf(error) })
    answerError(response, code, undefined, kind)
  }

  function begin(exchange: Exchange, origin: Origin, more: IncomingHttpHeaders = {}): void {
    const { request } = exchange
    request.headers = { ...forwardedHeaders(request.headers, origin), ...more }
    attempt(exchange)
  }

  function introduced(headers: Promise<IncomingHttpHeaders>, exchange: Exchange, origin: Origin): void {
    // Its own answer may take as long as edgeHub's direct methods do.
    exchange.request.socket.setTimeout(limits.answerTimeoutMs * 1.1)
    const ready = headers.then((more) => exchange.response.destroyed || begin(exchange, origin, more))
    ready.catch((error: Error) => failed(error, exchange))
  }

  return {
    forward(request, response) {
      const flaw = flawOf(request)
      if (flaw !== undefined) {
        answerError(response, 'BAD_REQUEST', flaw)
        return
      }
      const origin = { scheme: 'encrypted' in request.socket ? 'https' : 'http', host } as const
      const exchange = { request, response, kind, isSecondAttempt: false, ...(isDoor && translation(request, origin)) }
      if (introduce) introduced(introduce(request), exchange, origin)
      else begin(exchange, origin)
    },
    retire() {
      Reflect.set(agent, 'keepAlive', false)
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
    },
    close() {
      agent.destroy()
      proxy.close()
    }
  }
}

function translation({ headers }: IncomingMessage, { scheme, host }: Origin): { readonly origin?: Translation } {
  if (headers.host === undefined) return {}
  return { origin: { from: `https://${host}`, to: `${scheme}://${headers.host}` } }
}

/** http-proxy shows the request it made, at once and in every case, only to the `pipe` of the body it is given. */
class Handover extends Stream {
  readonly #receive: (upstream: ClientRequest) => void

  constructor(receive: (upstream: ClientRequest) => void) {
    super()
    this.#receive = receive
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    if (destination instanceof ClientRequest) this.#receive(destination)
    return destination
  }
}

function carry(upstream: ClientRequest, { request, response, kind, origin }: Exchange, limits: ForwardLimits): void {
  upstream.once('response', (answer) => relay(answer, response, kind, origin))
  upstream.once('upgrade', (_, socket) => {
    socket.destroy()
    answerError(response, 'UNAVAILABLE', 'its answer is not valid', kind)
  })
  // RFC 9110, 10.1.1: whether the body is wanted is the registry's to say.
  upstream.on('continue', () => passContinue(response))
  limitSilence(upstream, limits.answerTimeoutMs)
  // An answer that is over leaves nothing to do above: its client has gone, or it came before the body was sent.
  response.once('close', () => {
    if (!response.writableFinished || !upstream.writableFinished) upstream.destroy()
  })
  if (!hasBody(request.headers)) {
    upstream.end()
    return
  }
  // Before the first byte of the body, so that the registry can refuse it.
  upstream.flushHeaders()
  // `pipe`, not `pipeline`: a registry that fails must not take the client's connection with it, it gets an answer.
  request.pipe(upstream)
}

/** An answer must begin so long after the request is out, or the request is destroyed. */
export function limitSilence(upstream: ClientRequest, limitMs: number): void {
  const expired = () => upstream.destroy(new AnswerTimeoutError(limitMs))
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  upstream.once('finish', () => {
    if (!isOver) timer = setTimeout(expired, limitMs)
  })
  for (const event of ['response', 'close']) {
    upstream.once(event, () => {
      isOver = true
      clearTimeout(timer)
    })
  }
}

/** Gives an answer to the client as it is, apart from what is for one connection only. */
export function relay(
  answer: IncomingMessage,
  response: ServerResponse,
  kind: Upstream['kind'],
  origin?: Translation
): void {
  const headers = answeredHeaders(answer.rawHeaders, answer.headers.connection)
  try {
    // No reason phrase: it means nothing (RFC 9112, 4), and a strange one would be refused.
    response.writeHead(answer.statusCode ?? 0, origin ? withOrigin(headers, origin) : headers)
  } catch {
    answer.destroy()
    answerError(response, 'UNAVAILABLE', 'its answer is not valid', kind)
    return
  }
  // An answer that breaks off is passed on as broken: a clean end would make half a blob look whole.
  answer.once('error', () => response.destroy())
  answer.pipe(response)
}
