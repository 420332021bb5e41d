import type { IncomingMessage } from 'node:http'
import type { Middleware } from 'koa'
import { RegistryError } from '../protocol/errors.ts'
import { isHealthPath } from './health.ts'

/**
 * While the registry stops, what is new is refused (503, `Retry-After`), so that what is under way comes to its end. A push that has
 * begun is under way between its requests as well.
 */
export function refuseNew(isStopping: () => boolean): Middleware {
  return (ctx, next) => {
    if (!isStopping() || isHealthPath(ctx.path) || endsPush(ctx.method, ctx.path) || goesOn(ctx.path)) return next()
    ctx.res.shouldKeepAlive = false
    throw new RegistryError('UNAVAILABLE', undefined, 'the registry is stopping')
  }
}

/** Whether this client is likely to come again at once: for the next chunk, the end of an upload, or the manifest. */
export function isAmidPush({ method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>): boolean {
  return method !== 'GET' && method !== 'HEAD' && url.includes('/blobs/uploads/')
}

function goesOn(path: string): boolean {
  return /\/blobs\/uploads\/[^/]+$/.test(path)
}

function endsPush(method: string, path: string): boolean {
  return method === 'PUT' && /\/manifests\/[^/]+$/.test(path)
}
