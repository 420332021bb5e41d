import type { IncomingMessage } from 'node:http'

/** RFC 9112, section 6.3: a request has a body when one of the two headers says so. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/**
 * Lets an unwanted body run out for a moment. A socket that is closed under a sender is reset, and the answer that is
 * already on its way would be lost with it.
 */
export function discardBody(request: IncomingMessage, limit = { bytes: 2 ** 20, milliseconds: 1000 }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (request.complete || request.destroyed) return Promise.resolve()
  const timer = setTimeout(resolve, limit.milliseconds)
  let left = limit.bytes
  request.on('data', (chunk: Uint8Array) => {
    left -= chunk.length
    if (left < 0) resolve()
  })
  request.once('end', resolve)
  request.once('close', resolve)
  return promise.finally(() => {
    clearTimeout(timer)
    request.pause()
  })
}
