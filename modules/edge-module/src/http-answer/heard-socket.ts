import type { Socket } from 'node:net'

/**
 * A connection, TCP or TLS, on which the other side is heard to its end, also where it takes nothing more. Who refuses an upload may
 * answer and close at once: what is written then fails, and Node would drop what was not read yet, the answer. Here reading goes
 * on, and where it ends without a failure of its own, that of writing is the end.
 */
export function hearToEnd<Connection extends Socket>(socket: Connection): Connection {
  const { _write: write, _writev: writev, push } = socket
  let failure: Error | undefined

  function heldBack(error: NodeJS.ErrnoException | null | undefined): Error | null | undefined {
    const isClosed = error?.code === 'EPIPE' || error?.code === 'ECONNRESET'
    if (!isClosed || socket.destroyed) return error
    failure ??= error
    return null
  }

  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, (error) => done(heldBack(error)))
  if (writev) socket._writev = (pieces, done) => writev.call(socket, pieces, (error) => done(heldBack(error)))
  socket.push = (chunk, encoding) => {
    if (chunk !== null || failure === undefined) return push.call(socket, chunk, encoding)
    socket.destroy(failure)
    return false
  }
  return socket
}
