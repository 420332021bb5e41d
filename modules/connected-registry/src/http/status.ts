import { answerJson } from './answer.ts'
import type { Handler } from './handler.ts'

/** GET /status: what this registry knows of itself, as the root composes it. */
export function getStatus(status: () => unknown): Handler {
  return async (ctx) => answerJson(ctx, 200, await status(), { 'Cache-Control': 'no-store' })
}
