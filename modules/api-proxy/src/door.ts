import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { answerError } from './answers.ts'
import type { Forward } from './forward.ts'
import { route } from './routes.ts'
import type { Handle } from './server.ts'

/** Who is asked for what: every request goes where its route says, or is answered 404 here. */
export function createDoor(registry: Forward, log: Log): Handle {
  return (request, response) => {
    const { method = '', url = '', headers } = request
    const { kind } = route({ method, path: url, headers })
    logEnd(request, response, kind, log)
    if (kind === 'registry') registry.forward(request, response)
    else answerError(response, 'NOT_FOUND')
  }
}

function logEnd(request: IncomingMessage, response: ServerResponse, target: string, log: Log): void {
  // The query stays out of the log: it may hold what lets its holder in.
  const path = request.url?.split('?', 1)[0]
  const { method } = request
  response.once('close', () => {
    const isWhole = response.writableFinished
    log.debug({ method, path, target, status: response.statusCode, isWhole }, 'request answered')
  })
}
