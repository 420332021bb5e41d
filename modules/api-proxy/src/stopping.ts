import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerError } from './answers.ts'
import type { Handle } from './server.ts'

export interface Closing {
  /** To be told of every request, when it begins. */
  began(response: ServerResponse): void
  refuses(request: IncomingMessage): boolean
}

// As long as a module takes to start again.
const retryAfterSeconds = 10

/** While the door closes, what is new is told to come again: 503 with `Retry-After`, and its connection ends. */
export function refuseNew(handle: Handle, closing: Closing): Handle {
  return (request, response) => {
    closing.began(response)
    if (!closing.refuses(request)) return handle(request, response)
    response.setHeader('connection', 'close').setHeader('retry-after', retryAfterSeconds)
    answerError(response, 'STOPPING')
  }
}
