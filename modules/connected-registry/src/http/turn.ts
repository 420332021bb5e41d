import { createSentAhead } from '@connected-registry/edge-module/http-answer/sent-ahead.ts'
import type { Middleware } from 'koa'

/**
 * A request that was sent ahead waits for its turn, so that it holds neither content, nor a file, nor a place in line for a
 * password.
 */
export function inTurn(): Middleware {
  const sentAhead = createSentAhead()
  return (ctx, next) => {
    const turn = sentAhead.itsTurn(ctx.req, ctx.res)
    if (turn === true) return next()
    return Promise.resolve(turn).then((isHere) => {
      if (isHere) return next()
      ctx.respond = false
    })
  }
}
