import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { RegistryError } from '../protocol/errors.ts'

/** RFC 9112, section 6.3: a request has a body when one of the two headers says so. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

const smallBytes = 256 * 1024

/** One that is over soon, by its own account. */
export function hasSmallBody(request: IncomingMessage): boolean {
  return hasBody(request) && Number(request.headers['content-length']) <= smallBytes
}

/**
 * Lets an unwanted body run out for a moment. A socket that is closed under a sender is reset, and the answer that is
 * already on its way would be lost with it. So a sender of more than is read here waits, and has the rest of the time to read.
 */
export function discardBody(request: IncomingMessage, limit = { bytes: 2 ** 20, milliseconds: 1000 }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (request.complete || request.destroyed) return Promise.resolve()
  const timer = setTimeout(resolve, limit.milliseconds)
  let left = limit.bytes
  request.on('data', (chunk: Uint8Array) => {
    left -= chunk.length
    if (left < 0) request.pause()
  })
  request.once('end', resolve)
  request.once('close', resolve)
  // Whoever read it before may have stopped it.
  request.resume()
  return promise.finally(() => {
    clearTimeout(timer)
    request.pause()
  })
}

export interface BodyLimits {
  readonly bytes: number
  /** How long a sender may stand still. */
  readonly idleMs?: number
  /** How long it may take in all. Left out: as long as it likes. */
  readonly totalMs?: number
}

/** A small body, whole. Throws RegistryError TOO_LARGE as soon as it is, SIZE_INVALID where the sender stops before its end. */
export async function readBody(ctx: Context, { bytes, idleMs = 30_000, totalMs }: BodyLimits): Promise<Uint8Array> {
  const { req } = ctx
  if (Number(req.headers['content-length'] ?? 0) > bytes) throw new RegistryError('TOO_LARGE', { limit: bytes })
  const parts: Buffer[] = []
  let size = 0
  // Kept open where we stop reading: the answer still has to go out on it.
  const arriving: AsyncIterable<Buffer> = req.iterator({ destroyOnReturn: false })
  const standstill = setTimeout(() => req.destroy(), idleMs)
  const overdue = totalMs === undefined ? undefined : setTimeout(() => req.destroy(), totalMs)
  try {
    for await (const part of arriving) {
      standstill.refresh()
      size += part.length
      if (size > bytes) throw new RegistryError('TOO_LARGE', { limit: bytes })
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof RegistryError) throw error
    throw new RegistryError('SIZE_INVALID', undefined, 'the body ended before it was whole')
  } finally {
    clearTimeout(standstill)
    clearTimeout(overdue)
  }
  keepConnection(ctx)
  return Buffer.concat(parts, size)
}

/** To be called once a body was read to its end: what follows it on its connection is a request again. */
export function keepConnection({ req, res }: Context): void {
  const isPersistent = req.httpVersion === '1.1' && !/\bclose\b/i.test(req.headers.connection ?? '')
  res.shouldKeepAlive = isPersistent
}
