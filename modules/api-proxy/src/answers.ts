import type { ServerResponse } from 'node:http'

/** What the door itself answers: code -> status and message, in the shape of distribution-spec, "Error Codes". */
const answers = {
  BAD_REQUEST: { status: 400, message: 'the request is not valid' },
  NOT_FOUND: { status: 404, message: 'nothing is served at this path' },
  INTERNAL: { status: 500, message: 'the request could not be passed on' },
  UNAVAILABLE: { status: 502, message: 'the registry is not reachable' },
  TIMEOUT: { status: 504, message: 'the registry did not answer in time' }
} as const

export type AnswerCode = keyof typeof answers

/** Answers in place of the registry. Where an answer has begun already, it is cut instead: never a clean end. */
export function answerError(response: ServerResponse, code: AnswerCode, detail?: string): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, message } = answers[code]
  const text = detail === undefined ? message : `${message}: ${detail}`
  const body = JSON.stringify({ errors: [{ code, message: text }] })
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
