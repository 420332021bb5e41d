import { type IncomingMessage, ServerResponse, request as send } from 'node:http'
import type { Socket } from 'node:net'
import { answerError } from './answers.ts'
import { type ForwardOptions, forwardLimits, limitSilence, relay } from './forward.ts'
import { answeredHeaders, flawOf, forwardedHeaders } from './headers.ts'
import { createOutageLog } from './outage-log.ts'
import { formatAddress, hostOf } from './routes.ts'

/** Passes on a request to go on in WebSocket, and then whatever either side sends. What is not agreed to is answered. */
export type Upgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => void

/** MQTT's own keep-alives are shorter; the original's time for it. */
const idleTimeoutMs = 3_600_000

// Not http-proxy's: it writes a refusal's chunked body without its chunks.
export function createUpgrade(options: ForwardOptions): Upgrade {
  const { upstream, agent, log, limits = forwardLimits, introduce } = options
  const { kind, address, protocol } = upstream
  const outage = createOutageLog(log)

  async function begin(request: IncomingMessage, socket: Socket, head: Buffer, refusal: ServerResponse): Promise<void> {
    const scheme = 'encrypted' in socket ? 'https' : 'http'
    const headers = {
      ...forwardedHeaders(request.headers, { scheme, host: hostOf(upstream) }),
      ...(await introduce?.(request)),
      ...{ connection: 'Upgrade', upgrade: 'websocket' }
    }
    if (socket.destroyed) return
    const forget = noticeLeaving(socket)
    const asked = send({ ...address, protocol: `${protocol}:`, path: request.url ?? '/', headers, agent })
    socket.once('close', () => asked.destroy())
    limitSilence(asked, limits.answerTimeoutMs)
    asked.once('error', (error) => failed(error, refusal))
    asked.once('response', (answer) => {
      forget()
      relay(answer, refusal, kind)
    })
    asked.once('upgrade', (answer, other: Socket, otherHead: Buffer) => {
      forget()
      refusal.detachSocket(socket)
      socket.write(switchingHead(answer))
      if (otherHead.length > 0) socket.write(otherHead)
      if (head.length > 0) other.write(head)
      join(socket, other)
    })
    asked.end()
  }

  function failed(error: NodeJS.ErrnoException, refusal: ServerResponse): void {
    // A client that has gone says nothing of edgeHub.
    if (refusal.headersSent || refusal.destroyed) return
    outage.report({ to: kind, at: formatAddress(address), code: 'UNAVAILABLE', reason: error.message || error.code })
    answerError(refusal, 'UNAVAILABLE', undefined, kind)
  }

  return (request, socket, head) => {
    socket.on('error', () => undefined)
    const refusal = refusalOn(request, socket)
    const flaw = flawOf(request)
    if (flaw === undefined) begin(request, socket, head, refusal).catch((error) => failed(error, refusal))
    else answerError(refusal, 'BAD_REQUEST', flaw)
  }
}

/** An answer in HTTP, after which the connection is closed. */
function refusalOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => socket.destroySoon())
  return response
}

/**
 * Nobody reads what a client sends before it is agreed to, and so nobody would hear that it has left: what comes is looked at and
 * stays for whoever reads it later. (Where something lies before the end of it, that is not heard.)
 */
function noticeLeaving(socket: Socket): () => void {
  const look = () => void socket.read(0)
  const left = () => void socket.destroy()
  socket.on('readable', look).once('end', left)
  return () => void socket.off('readable', look).off('end', left)
}

function switchingHead({ rawHeaders, headers }: IncomingMessage): string {
  const kept = answeredHeaders(rawHeaders, headers.connection)
  const lines = kept.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${kept[i + 1]}`] : []))
  const first = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  return [...first, ...lines, '', ''].join('\r\n')
}

function join(one: Socket, other: Socket): void {
  const ways = [
    [one, other],
    [other, one]
  ] as const
  for (const [from, to] of ways) {
    from.setTimeout(idleTimeoutMs, () => from.destroy())
    from.setNoDelay(true).setKeepAlive(true)
    from.on('error', () => undefined)
    from.once('close', () => to.destroySoon())
    from.pipe(to)
  }
}
