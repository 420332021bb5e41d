import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Context, Middleware } from 'koa'
import { type ErrorCode, RegistryError } from '../protocol/errors.ts'
import { fullReason, lostReason } from '../registry/uploads.ts'
import { apiVersion } from './answer.ts'
import { createNoRoomLog } from './no-room-log.ts'
import { discardBody, hasBody, hasSmallBody } from './request-body.ts'
import type { RequestCounts } from './request-counts.ts'

/**
 * The only place where a failure becomes a response (distribution-spec, "Error Codes"). What is not the client's mistake is
 * logged and answered without its inner text. Headers a failure needs (a challenge, a range) are set where it is thrown.
 * Every answer passes here, and is counted: in a function of its own that would cost each request a promise more.
 */
export function answerFailures(log: Log, requests: Pick<RequestCounts, 'begin' | 'end'>): Middleware {
  const logNoRoom = createNoRoomLog(log)
  return async (ctx, next) => {
    const began = requests.begin()
    try {
      await next()
    } catch (error) {
      const failure = error instanceof RegistryError ? error : failureOf(error)
      const reason = fullReason(error)
      if (reason !== undefined)
        logNoRoom({ method: ctx.method, path: pathOf(ctx.req.url), code: codeIn(error), reason })
      else if (failure !== error) logUnexpected(log, ctx, error)
      await answerFailure(ctx, failure)
    } finally {
      requests.end(ctx, began)
    }
  }
}

/** `ENOSPC` of the disk, `EDQUOT` of a quota. */
function codeIn(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function failureOf(error: unknown): RegistryError {
  const reason = fullReason(error)
  if (reason !== undefined) return new RegistryError('STORAGE_FULL', { reason })
  const lost = lostReason(error)
  return new RegistryError('INTERNAL', lost && { reason: lost })
}

async function answerFailure(ctx: Context, failure: RegistryError): Promise<void> {
  const { req, res } = ctx
  ctx.respond = false
  // The head is gone, so the client can only be told by an answer that is cut short.
  if (res.headersSent) return void res.destroy()
  // Go's servers do so, too. containerd 1.6 hangs where it is refused a manifest before it has sent it.
  if (hasSmallBody(req)) await discardBody(req)
  if (req.socket.destroyed) return
  const body = JSON.stringify(failure.body)
  const wait = secondsToWait(failure)
  const retry = wait === undefined ? {} : { 'Retry-After': wait }
  const content = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
  res.writeHead(failure.status, { ...apiVersion, ...content, ...retry })
  if (!hasBody(req) || req.complete) return void res.end(body)
  res.write(body)
  await discardBody(req)
  res.end()
}

/** As many as whoever refused it knows of, else these; undefined where waiting is no use. */
function secondsToWait({ code, detail }: RegistryError): number | undefined {
  const isKnown = typeof detail === 'object' && detail !== null && 'retryAfterSeconds' in detail
  return isKnown ? Number(detail.retryAfterSeconds) : passing[code]
}

const passing: Partial<Record<ErrorCode, number>> = { TOOMANYREQUESTS: 1, UNAVAILABLE: 10 }

function logUnexpected(log: Log, ctx: Context, error: unknown): void {
  log.error({ err: error, method: ctx.method, path: pathOf(ctx.req.url) }, 'request failed')
}

/** Without the query: it may hold what is nobody's business. */
export function pathOf(url: string | undefined): string {
  return url?.split('?', 1)[0] ?? ''
}
