import { Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net'

type Done = (error?: Error | null) => void
type Piece = { readonly chunk: unknown; readonly encoding: BufferEncoding }

/** As `net.connect`: a connection on which the other side is heard to its end, also where it takes nothing more. */
export function connectHeard(options: SocketConstructorOpts & TcpSocketConnectOpts): Socket {
  return new HeardSocket(options).connect(options)
}

/**
 * Who refuses an upload may answer and close at once. What is written then fails, and Node would drop what was not read yet: the
 * answer. Here reading goes on, and where it ends without a failure of its own, that of writing is the end.
 */
class HeardSocket extends Socket {
  #failure: Error | undefined

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    super._write(chunk, encoding, (error) => done(this.#heldBack(error)))
  }

  override _writev(pieces: Piece[], done: Done): void {
    super._writev?.(pieces as never, (error) => done(this.#heldBack(error)))
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk !== null || this.#failure === undefined) return super.push(chunk, encoding)
    this.destroy(this.#failure)
    return false
  }

  #heldBack(error: NodeJS.ErrnoException | null | undefined): Error | null | undefined {
    const isClosed = error?.code === 'EPIPE' || error?.code === 'ECONNRESET'
    if (!isClosed || this.destroyed) return error
    this.#failure ??= error
    return null
  }
}
