import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { answerError } from './answers.ts'
import type { Forwards } from './forwards.ts'
import { type RouteTable, route } from './routes.ts'
import type { Handle, Upgrades } from './server.ts'

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

/** For requests to go on in another protocol: they are passed on where a route allows it, else they are as any other. */
export function createUpgrades({ routes, forwards, log }: DoorOptions): Upgrades {
  const targetOf = ({ url = '', headers }: IncomingMessage) => route(routes(), { path: url, headers })
  return {
    isWanted(request) {
      const target = targetOf(request)
      const isWebSocket = request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'
      return isWebSocket && target.kind !== 'none' && target.upgrades === true
    },
    handle(request, socket, head) {
      const target = targetOf(request)
      log.debug({ path: pathOf(request), target: target.kind }, 'WebSocket asked for')
      socket.once('close', () => log.debug({ path: pathOf(request), target: target.kind }, 'WebSocket closed'))
      const upgrade = target.kind === 'none' ? undefined : forwards.to(target).upgrade
      if (upgrade) upgrade(request, socket, head)
      else socket.destroy()
    }
  }
}

function logEnd(request: IncomingMessage, response: ServerResponse, target: string, log: Log): void {
  if (log.level !== 'debug') return
  const path = pathOf(request)
  const { method } = request
  response.once('close', () => {
    const isWhole = response.writableFinished
    log.debug({ method, path, target, status: response.statusCode, isWhole }, 'request answered')
  })
}

/** The query stays out of the log: it may hold what lets its holder in. */
function pathOf({ url }: IncomingMessage): string | undefined {
  return url?.split('?', 1)[0]
}
