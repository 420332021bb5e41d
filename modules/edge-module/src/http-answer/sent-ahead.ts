import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Requests that a client sends before it has read the answer to an earlier one (pipelining, RFC 9112, section 9.3.2). Hundreds fit
 * into one packet, and Node begins them all, and reads on while the first answer takes its time.
 */
export interface SentAhead {
  /** Whether the request may be answered, now or once its turn has come: not where its connection ended before. */
  itsTurn(request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>
}

/** Each holds some kilobytes. No client of a registry sends more than a few ahead, most none. */
const usualMost = 256

/** Who sends more than `most` on one connection is cut off. */
export function createSentAhead(most = usualMost): SentAhead {
  const waiting = new WeakMap<Socket, number>()

  async function wait(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { socket } = request
    const { promise, resolve } = Promise.withResolvers<boolean>()
    waiting.set(socket, (waiting.get(socket) ?? 0) + 1)
    response.once('socket', () => resolve(true))
    // A response has no socket until its turn, and its request ends before that only with the connection.
    request.once('close', () => resolve(false))
    return promise.finally(() => waiting.set(socket, (waiting.get(socket) ?? 0) - 1))
  }

  return {
    itsTurn(request, response) {
      // RFC 9112, section 9.6: an answer that went before ends the connection, and its rest is only read for that to arrive.
      const isOver = request.socket.destroyed || request.socket.writableEnded
      if (response.destroyed || isOver) return false
      if (response.socket) return true
      if ((waiting.get(request.socket) ?? 0) < most) return wait(request, response)
      request.socket.destroy()
      return false
    }
  }
}
