import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { hasBody } from './headers.ts'

export interface Sending {
  /** All of it was handed to the connection. */
  readonly isDone: boolean
  /** Nothing of the request is read or sent from now on. */
  stop(): void
}

/**
 * Sends a request's body as fast as the connection takes it, in chunks where it came in chunks; trailers are left out.
 * `onDone`: the system has the last byte. What fails on the way is told by the connection and by the response.
 */
export function sendBody(request: IncomingMessage, socket: Socket, onDone: () => void): Sending {
  if (!hasBody(request.headers)) {
    onDone()
    return { isDone: true, stop() {} }
  }
  const isChunked = request.headers['transfer-encoding'] !== undefined
  let isDone = false

  function send(piece: Buffer): void {
    const isRoom = isChunked ? sendChunk(socket, piece) : sendPiece(socket, piece)
    if (!isRoom) request.pause()
  }

  function end(): void {
    isDone = true
    socket.write(isChunked ? '0\r\n\r\n' : '', 'latin1', onDone)
    stop()
  }

  const resume = () => void request.resume()

  function stop(): void {
    request.off('data', send).off('end', end)
    socket.off('drain', resume)
  }

  socket.on('drain', resume)
  request.on('end', end).on('data', send)
  return {
    get isDone() {
      return isDone
    },
    stop
  }
}

/** RFC 9112, section 7.1. */
function sendChunk(socket: Socket, piece: Buffer): boolean {
  socket.cork()
  socket.write(`${piece.length.toString(16)}\r\n`, 'latin1')
  sendPiece(socket, piece)
  const isRoom = socket.write('\r\n', 'latin1')
  socket.uncork()
  return isRoom
}

function sendPiece(socket: Socket, piece: Buffer): boolean {
  return socket.write(piece, (error) => error ?? release(piece))
}

/**
 * Frees the memory of what was sent. Left to the garbage collector, which comes for the size of what lies about and then
 * looks at everything that lives, this was half of what an upload costs.
 */
function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
