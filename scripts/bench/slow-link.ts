import { connect, createServer, type Socket } from 'node:net'
import { cut, listen } from './link-server.ts'

export interface SlowLink {
  /** `127.0.0.1:<port>`, which leads to the other end. */
  readonly host: string
  /** Bytes that were carried so far, both ways. */
  readonly bytes: number
  close(): void
}

export interface SlowLinkOptions {
  /** Between the two ends and back. */
  readonly roundTripMs: number
  /** In each direction, shared by all connections; undefined: as much as they carry. */
  readonly bitsPerSecond?: number
}

/** What one connection may have under way until it is acknowledged, a round trip later: a TCP window. */
const windowBytes = 2 * 1024 * 1024
const pieceBytes = 256 * 1024
const keptPieces = 256

/**
 * A long line as a relay of its own, without loss: the kernel may have no way to delay. What comes down it, which is most, is read
 * into memory that is used again, so that the line takes little of the processors from whoever is measured at its ends.
 */
export async function openSlowLink(to: string, { roundTripMs, bitsPerSecond }: SlowLinkOptions): Promise<SlowLink> {
  const port = Number(to.split(':').at(-1))
  const sockets = new Set<Socket>()
  const pieces = createPieces()
  const [up, down] = [createWay(roundTripMs / 2, bitsPerSecond), createWay(roundTripMs / 2, bitsPerSecond)]
  let bytes = 0
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far: Socket = connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      onread: {
        buffer: pieces.take,
        callback(count, piece) {
          bytes += count
          return descent.carry(Buffer.from(piece.buffer, piece.byteOffset, count), () => pieces.give(piece))
        }
      }
    })
    const descent = down(far, near)
    const ascent = up(near, far)
    near.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (!ascent.carry(piece)) near.pause()
    })
    far.resume()
    for (const socket of [near, far]) {
      sockets.add(socket.setNoDelay(true))
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
  })
  return {
    host: await listen(server),
    get bytes() {
      return bytes
    },
    close: () => cut(server, sockets)
  }
}

/** One connection, one way. */
interface Way {
  /** `done`: its memory may be used again. False: no more may be under way for now. */
  carry(piece: Buffer, done?: () => void): boolean
}

function createWay(delayMs: number, bitsPerSecond = Number.POSITIVE_INFINITY): (from: Socket, to: Socket) => Way {
  let freeAt = 0
  return (from, to) => {
    const queue: (() => void)[] = []
    let underWay = 0
    // In their order, however exact the timers are.
    const later = (act: () => void, ms: number) => {
      queue.push(act)
      setTimeout(() => queue.shift()?.(), ms)
    }
    const acknowledge = (count: number) => {
      underWay -= count
      if (underWay < windowBytes) from.resume()
    }
    const leave = (act: () => void) => later(act, Math.max(0, freeAt - performance.now()) + delayMs)
    from.on('end', () => leave(() => void to.end()))
    from.on('close', () => leave(() => to.destroySoon()))
    return {
      carry(piece, done) {
        const now = performance.now()
        freeAt = Math.max(freeAt, now) + (piece.length * 8000) / bitsPerSecond
        underWay += piece.length
        const arrive = () =>
          void to.write(piece, () => {
            done?.()
            setTimeout(acknowledge, delayMs, piece.length)
          })
        later(arrive, freeAt - now + delayMs)
        return underWay < windowBytes
      }
    }
  }
}

function createPieces() {
  const free: Uint8Array[] = []
  return {
    take: (): Uint8Array => free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes),
    give(piece: Uint8Array): void {
      if (free.length < keptPieces) free.push(piece)
    }
  }
}
