import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Handle } from './server.ts'

/** Why this door can serve nobody just now. */
export interface Obstacle {
  readonly code: string
  readonly description: string
}

/** What is in the way; empty: nothing is. What lies above this device never is. */
export type Readiness = () => Promise<readonly Obstacle[]>

/**
 * `GET /healthz`: 200 as long as the process answers. `GET /readyz`: 200, or 503 with `{ ready: false, reasons }`. Both are the
 * door's own and lead nowhere; everything else is `handle`'s.
 */
export function answerHealth(handle: Handle, readiness: Readiness): Handle {
  return (request, response) => {
    const path = healthPathOf(request)
    if (path === undefined) handle(request, response)
    else if (path === '/healthz') answer(response, 200, { alive: true })
    else void answerReadiness(response, readiness)
  }
}

/** Requests with `x-ms-version` are a storage account's, whose names come first in a path. */
export function healthPathOf({ method, url = '', headers }: IncomingMessage): '/healthz' | '/readyz' | undefined {
  if (!url.startsWith('/healthz') && !url.startsWith('/readyz')) return undefined
  if ((method !== 'GET' && method !== 'HEAD') || headers['x-ms-version'] !== undefined) return undefined
  const [path] = url.split('?', 1)
  return path === '/healthz' || path === '/readyz' ? path : undefined
}

async function answerReadiness(response: ServerResponse, readiness: Readiness): Promise<void> {
  const reasons = await readiness()
  if (reasons.length === 0) answer(response, 200, { ready: true })
  else answer(response, 503, { ready: false, reasons })
}

function answer(response: ServerResponse, status: number, value: object): void {
  const body = JSON.stringify(value)
  const content = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  response.writeHead(status, { ...content, 'cache-control': 'no-store' }).end(body)
}
