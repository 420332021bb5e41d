import type { Context } from 'koa'

/** On every answer below /v2: how a client knows a registry (distribution-spec, "Determining Support"). */
export const apiVersion = { 'Docker-Distribution-API-Version': 'registry/2.0' } as const

/** A client that takes nothing for this long is let go of, with all that is held for it. */
export const stalledMs = 60_000

export type Headers = Readonly<Record<string, string | number>>

/**
 * Status, headers and body in one write, past koa's own response handling: small answers are the hot path.
 * A HEAD request gets the same headers; `node:http` leaves its body out.
 */
export function answer(ctx: Context, status: number, headers: Headers, body?: Uint8Array, timeoutMs = stalledMs): void {
  ctx.respond = false
  ctx.res.writeHead(status, headers)
  // `node:http` puts a text behind the head and writes both as one; bytes would be a second piece of the write.
  if (body && body.byteLength <= singleWriteBytes) return void ctx.res.end(latin1(body), 'latin1')
  // What is small the system takes over at once; more is held here for as long as it takes.
  if (body) ctx.res.setTimeout(timeoutMs)
  ctx.res.end(body)
}

const singleWriteBytes = 16 * 1024

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function answerJson(ctx: Context, status: number, value: unknown, more: Headers = {}): void {
  const { headers, body } = readyJson(value, more)
  answer(ctx, status, headers, body)
}

/** An answer that is ready to go out, as often as it may be asked for. */
export interface ReadyAnswer {
  readonly headers: Headers
  readonly body: Uint8Array
}

export function readyJson(value: unknown, headers: Headers = {}): ReadyAnswer {
  const body = Buffer.from(JSON.stringify(value))
  return { body, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers } }
}
