import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import type { Answer } from './exchange.ts'
import type { Fault } from './faults.ts'

/** Where an answer goes. `gone` resolves when it is written, or nobody is there any more. */
export interface Connection {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly gone: Promise<void>
}

const slicesPerSecond = 20

export function connectionOf(request: IncomingMessage, response: ServerResponse): Connection {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('close', resolve)
  return { request, response, gone: promise }
}

/** Strikes before the request has any effect. False: there will be no answer. */
export async function beforeAnswer(fault: Fault | undefined, connection: Connection): Promise<boolean> {
  if (fault?.kind === 'hang' && fault.afterBytes === undefined) return await silence(fault.until, connection)
  if (fault?.kind !== 'cut' || fault.afterBytes !== undefined) return true
  reset(connection)
  return false
}

/** Writes the answer, as the fault lets it. HEAD has the headers of the whole and no body. */
export async function deliver(answer: Answer, fault: Fault | undefined, connection: Connection): Promise<void> {
  const { request, response } = connection
  response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length })
  const body = request.method === 'HEAD' ? answer.body.subarray(0, 0) : answer.body
  if (fault?.kind === 'slow') await trickle(body, fault.bytesPerSecond, connection)
  else if (fault?.kind === 'cut') await cutAfter(body.subarray(0, fault.afterBytes), connection)
  else if (fault?.kind === 'hang') await hangWithin(body, fault, connection)
  else response.end(body)
}

async function trickle(body: Uint8Array, bytesPerSecond: number, connection: Connection): Promise<void> {
  const slice = Math.max(1, Math.ceil(bytesPerSecond / slicesPerSecond))
  for (let at = 0; at < body.length && !connection.response.destroyed; at += slice) {
    await written(body.subarray(at, at + slice), connection)
    await Promise.race([sleep((slice / bytesPerSecond) * 1000), connection.gone])
  }
  connection.response.end()
}

/** An orderly end in the middle: a reset could take bytes with it that have arrived. */
async function cutAfter(bytes: Uint8Array, connection: Connection): Promise<void> {
  await written(bytes, connection)
  connection.response.destroy()
}

type Hang = Extract<Fault, { kind: 'hang' }>

async function hangWithin(body: Uint8Array, { afterBytes, until }: Hang, connection: Connection): Promise<void> {
  // Silence before anything is over by now: the whole body is due.
  const stopsAt = afterBytes ?? body.length
  await written(body.subarray(0, stopsAt), connection)
  if (afterBytes === undefined || (await silence(until, connection))) connection.response.end(body.subarray(stopsAt))
}

/** Resolves when the bytes, and the headers before them, have left this process. */
async function written(bytes: Uint8Array, { response, gone }: Connection): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.write(bytes, () => resolve())
  await Promise.race([promise, gone])
}

/** True when it is over and the client is still there. */
async function silence(until: Promise<unknown> | undefined, { response, gone }: Connection): Promise<boolean> {
  await (until ? Promise.race([until, gone]) : gone)
  return !response.destroyed
}

function reset({ response: { socket } }: Connection): void {
  // Node resets plain connections only.
  if (socket instanceof TLSSocket) socket.destroy()
  else socket?.resetAndDestroy()
}
