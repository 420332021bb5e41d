import type { IncomingMessage, ServerResponse } from 'node:http'
import { MalformedAnswerError } from '@connected-registry/edge-module/http-answer/answer-head.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { createAnswerBody } from './answer-body.ts'
import { createAnswerReader } from './answer-reader.ts'
import { answerError } from './answers.ts'
import { createBodyBuffers } from './body-buffers.ts'
import { AnswerTimeoutError, isStale, reasonOf } from './failures.ts'
import { type Forward, forwardLimits } from './forward.ts'
import { answeredHeaders, flawOf, requestHead } from './headers.ts'
import { createOutageLog } from './outage-log.ts'
import { createRegistryConnections } from './registry-connections.ts'
import { sendBody } from './request-body.ts'
import { formatAddress, type Upstream } from './routes.ts'

/** One request on its way there and back. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** As the registry gets it, with its empty line. */
  readonly head: string
  readonly isSecondAttempt: boolean
}

/**
 * The way to a registry by plain HTTP: as `createForward`, at a fraction of its cost, for what a registry sends are large
 * bodies and many small ones. The client's side stays Node's server; this side is read into buffers that are used again.
 */
export function createRelay({ kind, address }: Upstream, log: Log, limits = forwardLimits): Forward {
  const connections = createRegistryConnections(address, limits.connectTimeoutMs)
  const buffers = createBodyBuffers()
  const outage = createOutageLog(log)
  const host = formatAddress(address)

  function attempt(exchange: Exchange): void {
    const { request, response, head, isSecondAttempt } = exchange
    const connection = isSecondAttempt ? connections.open() : connections.take()
    const reader = createAnswerReader(request.method ?? '', () => response.writeContinue())
    const body = createAnswerBody(response, connection, buffers)
    const silence = createSilence(limits.answerTimeoutMs, failed)
    let isSettled = false

    function take(piece: Buffer): boolean {
      try {
        const hadHead = reader.head !== undefined
        const content = reader.take(piece)
        if (!reader.head) return true
        if (!hadHead) begin()
        return pass(content)
      } catch (error) {
        failed(error as Error)
        return false
      }
    }

    function begin(): void {
      silence.end()
      const { status, rawHeaders, connection: listed } = reader.head!
      // No reason phrase: it means nothing (RFC 9112, 4).
      response.writeHead(status, answeredHeaders(rawHeaders, listed))
    }

    function pass(content: Uint8Array): boolean {
      if (!reader.isOver) return body.write(content, reader.left)
      settle()
      body.end(content)
      if (reader.isClean && sending.isDone) connection.rest()
      else connection.destroy()
      return true
    }

    function settle(): void {
      isSettled = true
      silence.end()
      sending.stop()
    }

    function ended(error: Error | undefined): void {
      // A reset is never the end of an answer, not even of one that only the connection's end can tell.
      if (error || !reader.end()) failed(error ?? cutOff())
      else pass(new Uint8Array())
    }

    function failed(error: Error): void {
      if (isSettled) return
      settle()
      connection.destroy()
      if (response.destroyed || response.writableEnded) return
      if (isStale(error, exchange, connection.isReused)) attempt({ ...exchange, isSecondAttempt: true })
      else refuse(error, exchange, reader.head !== undefined)
    }

    function closed(): void {
      // An answer that is over leaves nothing to do above: its client has gone.
      if (!isSettled) connection.destroy()
      settle()
      body.close(response.writableFinished)
    }

    connection.use({ take, ended })
    response.once('close', closed)
    connection.socket.write(head, 'latin1')
    const sending = sendBody(request, connection.socket, silence.begin)
  }

  function refuse(error: Error, { request, response }: Exchange, hasBegun: boolean): void {
    const code = error instanceof AnswerTimeoutError ? 'TIMEOUT' : 'UNAVAILABLE'
    const detail = error instanceof MalformedAnswerError ? 'its answer is not valid' : undefined
    outage.report({ to: kind, at: host, method: request.method, code, reason: reasonOf(error) })
    // One that has begun is passed on as broken: a clean end would make half a blob look whole.
    if (hasBegun) response.destroy()
    else answerError(response, code, detail, kind)
  }

  return {
    forward(request, response) {
      const scheme = 'encrypted' in request.socket ? 'https' : 'http'
      const flaw = flawOf(request)
      const head = flaw === undefined ? requestHead(request, { scheme, host }) : undefined
      if (head === undefined) answerError(response, 'BAD_REQUEST', flaw ?? 'it cannot be passed on as it is')
      else attempt({ request, response, head, isSecondAttempt: false })
    },
    retire: () => connections.retire(),
    close: () => connections.close()
  }
}

/** From the end of the request to the head of the answer. */
function createSilence(limitMs: number, expired: (error: Error) => void) {
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  return {
    begin() {
      if (!isOver) timer = setTimeout(() => expired(new AnswerTimeoutError(limitMs)), limitMs)
    },
    end() {
      isOver = true
      clearTimeout(timer)
    }
  }
}

function cutOff(): Error {
  return Object.assign(new Error('the connection was closed before the answer was whole'), { code: 'ECONNRESET' })
}
