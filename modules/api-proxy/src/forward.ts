import { ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { Stream } from 'node:stream'
import type { Log } from '@connected-registry/edge-module/log.ts'
import httpProxy from 'http-proxy'
import { answerError } from './answers.ts'
import { answeredHeaders, flawOf, forwardedHeaders, hasBody } from './headers.ts'
import { createOutageLog } from './outage-log.ts'
import { RegistryAgent } from './registry-agent.ts'
import type { Address, Upstream } from './routes.ts'

export interface ForwardLimits {
  /** Name look-up and connection, milliseconds. */
  readonly connectTimeoutMs: number
  /** From the end of the request to the head of the answer, milliseconds. Bodies take the time they need. */
  readonly answerTimeoutMs: number
}

export const forwardLimits: ForwardLimits = { connectTimeoutMs: 3_000, answerTimeoutMs: 60_000 }

export interface Forward {
  /** Passes a request on and its answer back, both as streams. Answers 400, 502 and 504 itself; does not throw. */
  forward(request: IncomingMessage, response: ServerResponse): void
  /** Closes the connections to the other side. */
  close(): void
}

/** One request on its way there and back. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly isSecondAttempt: boolean
}

class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError'
}

/** The way to one place. http-proxy makes the request; what becomes of it is decided here. */
export function createForward(upstream: Upstream, log: Log, limits = forwardLimits): Forward {
  const { kind, address, protocol } = upstream
  const agent = new RegistryAgent(limits.connectTimeoutMs)
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
    if (isStaleConnection(error, exchange, outgoing)) {
      attempt({ ...exchange, isSecondAttempt: true })
      return
    }
    const code = error instanceof AnswerTimeoutError ? 'TIMEOUT' : 'UNAVAILABLE'
    outage.report({ to: kind, at: formatAddress(address), method: request.method, code, reason: reasonOf(error) })
    answerError(response, code, undefined, kind)
  }

  return {
    forward(request, response) {
      const flaw = flawOf(request)
      if (flaw !== undefined) {
        answerError(response, 'BAD_REQUEST', flaw)
        return
      }
      const scheme = 'encrypted' in request.socket ? 'https' : 'http'
      request.headers = forwardedHeaders(request.headers, { scheme, host: formatAddress(address) })
      attempt({ request, response, isSecondAttempt: false })
    },
    close() {
      agent.destroy()
      proxy.close()
    }
  }
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
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

function carry(upstream: ClientRequest, { request, response }: Exchange, limits: ForwardLimits): void {
  upstream.once('response', (answer) => relay(answer, response))
  upstream.once('upgrade', (_, socket) => {
    socket.destroy()
    answerError(response, 'UNAVAILABLE', 'its answer is not valid')
  })
  // RFC 9110, 10.1.1: whether the body is wanted is the registry's to say.
  upstream.on('continue', () => response.writeContinue())
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

function limitSilence(upstream: ClientRequest, limitMs: number): void {
  const expired = () => upstream.destroy(new AnswerTimeoutError(`no answer within ${limitMs} ms`))
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

function relay(answer: IncomingMessage, response: ServerResponse): void {
  try {
    // No reason phrase: it means nothing (RFC 9112, 4), and a strange one would be refused.
    response.writeHead(answer.statusCode ?? 0, answeredHeaders(answer.rawHeaders, answer.headers.connection))
  } catch {
    answer.destroy()
    answerError(response, 'UNAVAILABLE', 'its answer is not valid')
    return
  }
  // An answer that breaks off is passed on as broken: a clean end would make half a blob look whole.
  answer.once('error', () => response.destroy())
  answer.pipe(response)
}

// A kept connection may be closed by the registry just when a request is sent on it. What only reads is asked again.
function isStaleConnection(error: NodeJS.ErrnoException, exchange: Exchange, upstream?: ClientRequest): boolean {
  const { request, response, isSecondAttempt } = exchange
  const isReading = request.method === 'GET' || request.method === 'HEAD'
  const isCut = error.code === 'ECONNRESET' || error.code === 'EPIPE'
  return isReading && isCut && !isSecondAttempt && !response.headersSent && upstream?.reusedSocket === true
}

// Where a name has several addresses, the error of them all has a code and an empty message.
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name
}
