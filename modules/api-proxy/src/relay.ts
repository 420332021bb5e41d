import { MalformedAnswerError } from '@connected-registry/edge-module/http-answer/answer-head.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { answerError } from './answers.ts'
import { createBodyBuffers } from './body-buffers.ts'
import { type Asked, exchange, type Progress } from './exchange.ts'
import { AnswerTimeoutError, isStale, reasonOf } from './failures.ts'
import { type Forward, forwardLimits } from './forward.ts'
import { flawOf, requestHead } from './headers.ts'
import { createOutageLog } from './outage-log.ts'
import { createRegistryConnections } from './registry-connections.ts'
import { formatAddress, type Upstream } from './routes.ts'

/**
 * The way to a registry by plain HTTP: as `createForward`, at a fraction of its cost, for what a registry sends are large
 * bodies and many small ones. The client's side stays Node's server; this side is read into buffers that are used again.
 */
export function createRelay({ kind, address }: Upstream, log: Log, limits = forwardLimits): Forward {
  const connections = createRegistryConnections(address, limits)
  const buffers = createBodyBuffers()
  const outage = createOutageLog(log)
  const host = formatAddress(address)

  function attempt(asked: Asked): void {
    const connection = asked.isSecondAttempt ? connections.open() : connections.take()
    exchange(asked, { connection, buffers, failed })
  }

  function failed(error: Error, asked: Asked, { isReused, hasBegun }: Progress): void {
    if (isStale(error, asked, isReused)) attempt({ ...asked, isSecondAttempt: true })
    else refuse(error, asked, hasBegun)
  }

  function refuse(error: Error, { request, response }: Asked, hasBegun: boolean): void {
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
