import type { IncomingMessage, ServerResponse } from 'node:http'

/** Who was asked has the whole request and says nothing. */
export class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError'

  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`)
  }
}

export interface Attempt {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly isSecondAttempt: boolean
}

/** Whether to ask again: a kept connection may be closed just when a request is sent on it. Only what reads is asked again. */
export function isStale(error: NodeJS.ErrnoException, attempt: Attempt, isReused: boolean): boolean {
  const { request, response, isSecondAttempt } = attempt
  const isReading = request.method === 'GET' || request.method === 'HEAD'
  const isCut = error.code === 'ECONNRESET' || error.code === 'EPIPE'
  return isReading && isCut && !isSecondAttempt && !response.headersSent && isReused
}

/** Where a name has several addresses, the error of them all has a code and an empty message. */
export function reasonOf(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name
}
