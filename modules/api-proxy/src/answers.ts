import type { ServerResponse } from 'node:http'
import type { Upstream } from './routes.ts'

/** What the door itself answers: code -> status and message, in the shape of distribution-spec, "Error Codes". */
const answers = {
  BAD_REQUEST: { status: 400, message: 'the request is not valid' },
  NOT_FOUND: { status: 404, message: 'nothing is served at this path' },
  STOPPING: { status: 503, message: 'the door is closing' },
  INTERNAL: { status: 500, message: 'the request could not be passed on' },
  UNAVAILABLE: { status: 502, message: 'is not reachable' },
  TIMEOUT: { status: 504, message: 'did not answer in time' }
} as const

export type AnswerCode = keyof typeof answers

const names = {
  registry: 'the registry',
  parent: 'the API proxy of the device above',
  storage: 'the blob storage module',
  edgeHub: 'edgeHub',
  module: 'the module'
} as const satisfies Record<Upstream['kind'], string>

/** Answers in place of whom the request was for. Where an answer has begun, it is cut instead: never a clean end. */
export function answerError(
  response: ServerResponse,
  code: AnswerCode,
  detail?: string,
  whom: Upstream['kind'] = 'registry'
): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, message } = answers[code]
  const about = code === 'UNAVAILABLE' || code === 'TIMEOUT' ? `${names[whom]} ${message}` : message
  const text = detail === undefined ? about : `${about}: ${detail}`
  const body = JSON.stringify({ errors: [{ code, message: text }] })
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

/** The body is wanted. HTTP/1.0 knows no interim answers, and would take one for the answer (RFC 9110, 15.2). */
export function passContinue(response: ServerResponse): void {
  if (response.req.httpVersionMinor > 0) response.writeContinue()
}
