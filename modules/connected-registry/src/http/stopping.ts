import type { IncomingMessage } from 'node:http'
import type { Middleware } from 'koa'
import { RegistryError } from '../protocol/errors.ts'

/** Whether a request comes too late to be begun. */
export type Refuses = (request: IncomingMessage) => boolean

/** While the registry stops, what is new is told to come again: 503 with `Retry-After`, and its connection ends. */
export function refuseNew(refuses: Refuses): Middleware {
  return (ctx, next) => {
    if (!refuses(ctx.req)) return next()
    ctx.res.shouldKeepAlive = false
    throw new RegistryError('UNAVAILABLE', undefined, 'the registry is stopping')
  }
}
