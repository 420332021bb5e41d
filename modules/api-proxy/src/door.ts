import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { answerError } from './answers.ts'
import type { Forwards } from './forwards.ts'
import { type RouteTable, route } from './routes.ts'
import type { Handle } from './server.ts'

export interface DoorOptions {
  /** The routes in force. */
  readonly routes: () => RouteTable
  readonly forwards: Forwards
  readonly log: Log
}

/** Who is asked for what: every request goes where its route says, or is answered 404 here. */
export function createDoor({ routes, forwards, log }: DoorOptions): Handle {
  return (request, response) => {
    const { url = '', headers } = request
    const target = route(routes(), { path: url, headers })
    logEnd(request, response, target.kind, log)
    if (target.kind === 'none') answerError(response, 'NOT_FOUND')
    else forwards.to(target).forward(request, response)
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
