import { maySeeAll } from '../access/authorize.ts'
import { answerJson } from './answer.ts'
import type { Handler } from './handler.ts'

/** What there is to say, for who may see the names of all repositories and tokens, or not. */
export type Status = (seesAll: boolean) => unknown

/** GET /status: what this registry knows of itself, as the root composes it. */
export function getStatus(status: Status): Handler {
  return async (ctx, { identity }) => {
    const value = await status(identity !== undefined && maySeeAll(identity))
    answerJson(ctx, 200, value, { 'Cache-Control': 'no-store' })
  }
}
