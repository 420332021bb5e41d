import { answerJson } from './answer.ts'
import type { Handler } from './handler.ts'

/** Why no client can be served, in words for anybody: neither names nor paths. */
export interface Obstacle {
  readonly code: string
  readonly description: string
}

/** What is in the way just now; empty: clients can be served. A parent never is, for what is here is served without it. */
export type Readiness = () => readonly Obstacle[]

const neverStored = { 'Cache-Control': 'no-store' } as const

/** GET /healthz: 200 as long as the process answers at all. */
export const getLiveness: Handler = (ctx) => answerJson(ctx, 200, { alive: true }, neverStored)

/** GET /readyz: 200 `{ ready: true }`, or 503 `{ ready: false, reasons: [{ code, description }] }`. */
export function getReadiness(readiness: Readiness): Handler {
  return (ctx) => {
    const reasons = readiness()
    if (reasons.length === 0) answerJson(ctx, 200, { ready: true }, neverStored)
    else answerJson(ctx, 503, { ready: false, reasons }, neverStored)
  }
}

/** Asked by who runs the container, at whatever address it finds the container at. */
export function isHealthPath(path: string): boolean {
  return path === '/healthz' || path === '/readyz'
}
