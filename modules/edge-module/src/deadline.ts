/** A wait that took too long; `name` follows the platform's. */
export class DeadlineError extends Error {
  override readonly name = 'TimeoutError'

  constructor(what: string, limitMs: number) {
    super(`${what}: no answer within ${limitMs} ms`)
  }
}

/**
 * The same promise, but rejecting with DeadlineError once `limitMs` are over, or with the signal's reason. What it
 * waits for goes on unheard.
 */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  const early = Promise.withResolvers<never>()
  const timer = setTimeout(() => early.reject(new DeadlineError(what, limitMs)), limitMs)
  const abort = () => early.reject(signal?.reason)
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  try {
    return await Promise.race([promise, early.promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** An error's message and those of its causes on one line: errors of foreign libraries may carry credentials as fields. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`
}
