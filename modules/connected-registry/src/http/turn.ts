import type { ServerResponse } from 'node:http'
import type { Middleware } from 'koa'

/**
 * A client may send its next requests before it has read an answer (pipelining). Hundreds fit into one packet, and Node begins
 * them all: such a one waits for its turn, so that it holds neither content, nor a file, nor a place in line for a password.
 */
export const inTurn: Middleware = (ctx, next) => {
  const turn = itsTurn(ctx.res)
  if (turn === true) return next()
  return Promise.resolve(turn).then((isHere) => {
    if (isHere) return next()
    ctx.respond = false
  })
}

/** A response has no socket until its turn, and its request ends before that only with the connection: false. */
function itsTurn(response: ServerResponse): boolean | Promise<boolean> {
  if (response.socket || response.destroyed) return !response.destroyed
  const { promise, resolve } = Promise.withResolvers<boolean>()
  response.once('socket', () => resolve(true))
  response.req.once('close', () => resolve(false))
  return promise
}
