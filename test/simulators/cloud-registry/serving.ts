import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { beforeAnswer, connectionOf, deliver } from './delivery.ts'
import { type Answer, type Call, empty, Refusal } from './exchange.ts'
import { type createFaults, type Fault, spoil } from './faults.ts'
import type { Links } from './links.ts'
import type { createRequestLog } from './request-log.ts'
import type { createRouter, Found } from './routes.ts'

export interface ServingOptions {
  readonly router: ReturnType<typeof createRouter>
  readonly links: Links
  readonly faults: ReturnType<typeof createFaults>
  readonly requests: ReturnType<typeof createRequestLog>
  readonly log?: AccessLog
}

/** pino's shape. */
export interface AccessLog {
  info(fields: object, message: string): void
}

/** The way of every request: found, recorded, answered or struck by a fault, delivered. */
export function createServing({ router, links, faults, requests, log }: ServingOptions) {
  const find = (server: Call['server'], method: string, path: string): Found =>
    server === 'login' ? router(method, path) : { route: 'data', repository: '', reference: '', handler: links.answer }

  const serve = async (server: Call['server'], request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', headers } = request
    const url = new URL(`http://registry${request.url}`)
    const { handler, ...found } = find(server, method, url.pathname)
    const call: Call = { server, ...found, method, url, headers, body: () => buffer(request) }
    const connection = connectionOf(request, response)
    const answered = requests.begin(call)
    const fault = faults.take(call)
    if (!(await beforeAnswer(fault, connection))) return
    const answer = fault?.kind === 'answer' ? given(fault) : spoil(fault, await answerTo(call, handler), links.expire)
    answered(answer)
    log?.info({ server, method, path: url.pathname, status: answer.status }, 'request answered')
    await deliver(withVersion(answer), fault, connection)
  }

  return (server: Call['server']): RequestListener =>
    (request, response) => {
      serve(server, request, response).catch((error: Error) => {
        log?.info({ server, error: error.message }, 'request failed')
        response.destroy(error)
      })
    }
}

async function answerTo(call: Call, handler: Found['handler']): Promise<Answer> {
  try {
    return await handler(call)
  } catch (error) {
    if (error instanceof Refusal) return error.answer()
    throw error
  }
}

function given({ status, headers, body = '' }: Extract<Fault, { kind: 'answer' }>): Answer {
  return { ...empty(status, headers), body: Buffer.from(body) }
}

function withVersion(answer: Answer): Answer {
  return { ...answer, headers: { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers } }
}
