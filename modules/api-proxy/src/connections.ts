import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { finished } from 'node:stream'

interface Connection {
  socket: Socket
  exchanges: number
}

/** The open connections of a server and whether a request is under way on them. */
export interface Connections {
  opened(socket: Socket): void
  /** To be told of every request, before it is answered. */
  began(request: IncomingMessage, response: ServerResponse): void
  /** From now on a connection is closed as soon as nothing is under way on it. */
  closeIdle(): void
  closeAll(): void
}

/**
 * Node has `closeIdleConnections`, but it takes an answer for over that is ended and not yet sent, and cuts it.
 * `lingerMs`: how long the rest of a request is read after its answer, so that a reset does not outrun the answer.
 */
export function createConnections(lingerMs: number): Connections {
  // Under TLS the request's socket is another object than the connection's, with the same peer.
  const connections = new Map<string, Connection>()
  const bySocket = new WeakMap<Socket, Connection>()
  let isClosing = false

  function connectionOf(socket: Socket): Connection | undefined {
    const connection = bySocket.get(socket) ?? connections.get(peerOf(socket))
    if (connection) bySocket.set(socket, connection)
    return connection
  }

  function ended(connection: Connection): void {
    connection.exchanges -= 1
    if (isClosing && connection.exchanges === 0) connection.socket.destroySoon()
  }

  return {
    opened(socket) {
      const peer = peerOf(socket)
      connections.set(peer, { socket, exchanges: 0 })
      socket.once('close', () => connections.delete(peer))
    },
    began(request, response) {
      const connection = connectionOf(request.socket)
      if (!connection) return
      connection.socket = request.socket
      connection.exchanges += 1
      if (isClosing) response.setHeader('connection', 'close')
      response.prependOnceListener('finish', () => keepFromClosing(request))
      response.on('close', () => readRest(request, lingerMs, () => ended(connection)))
    },
    closeIdle() {
      isClosing = true
      for (const { socket, exchanges } of connections.values()) if (exchanges === 0) socket.destroy()
    },
    closeAll() {
      for (const { socket } of connections.values()) socket.destroy()
    }
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Where a connection is to end with an answer, Node would close it at once, whatever of the request is still to come. */
function keepFromClosing({ complete, socket }: IncomingMessage): void {
  if (!complete) socket.destroySoon = () => void socket.end()
}

function closeIfEnded(socket: Socket): void {
  Reflect.deleteProperty(socket, 'destroySoon')
  if (socket.writableEnded) socket.destroySoon()
}

function readRest(request: IncomingMessage, limitMs: number, done: () => void): void {
  const { socket } = request
  if (request.complete || socket.destroyed) {
    closeIfEnded(socket)
    done()
    return
  }
  const timer = setTimeout(() => socket.destroy(), limitMs)
  const forget = finished(request, over)
  // Of a request whose answer is out Node does not say that its connection went.
  socket.once('close', over)
  // Whoever read it would pause it on leaving.
  request.unpipe()
  request.resume()

  function over(): void {
    clearTimeout(timer)
    forget()
    socket.off('close', over)
    closeIfEnded(socket)
    done()
  }
}
