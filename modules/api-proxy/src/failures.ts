/** Who was asked has the whole request and says nothing. */
export class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError'

  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`)
  }
}

/** What a kept connection says that the other side closed just when a request was sent on it. */
export function isCut(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE'
}

/** Where a name has several addresses, the error of them all has a code and an empty message. */
export function reasonOf(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name
}
