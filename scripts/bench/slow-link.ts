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

/** What one connection may have under way, as a TCP window. */
const windowBytes = 2 * 1024 * 1024

/** A long line as a relay of its own, without loss: the kernel may have no way to delay. */
export async function openSlowLink(to: string, { roundTripMs, bitsPerSecond }: SlowLinkOptions): Promise<SlowLink> {
  const port = Number(to.split(':').at(-1))
  const sockets = new Set<Socket>()
  const ways = [createWay(roundTripMs / 2, bitsPerSecond), createWay(roundTripMs / 2, bitsPerSecond)] as const
  let bytes = 0
  const count = (piece: Buffer) => {
    bytes += piece.length
  }
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    const pair = [near, far]
    for (const socket of pair) {
      sockets.add(socket.setNoDelay(true).on('data', count))
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        // What is under way yet arrives.
        setTimeout(() => pair.forEach((other) => void other.destroy()), roundTripMs)
      })
    }
    ways[0](near, far)
    ways[1](far, near)
  })
  return {
    host: await listen(server),
    get bytes() {
      return bytes
    },
    close: () => cut(server, sockets)
  }
}

function createWay(delayMs: number, bitsPerSecond = Number.POSITIVE_INFINITY): (from: Socket, to: Socket) => void {
  let freeAt = 0
  return (from, to) => {
    let underWay = 0
    from.on('data', (bytes) => {
      const now = performance.now()
      freeAt = Math.max(freeAt, now) + (bytes.length * 8000) / bitsPerSecond
      underWay += bytes.length
      if (underWay >= windowBytes) from.pause()
      setTimeout(
        () => {
          to.write(bytes)
          underWay -= bytes.length
          if (underWay < windowBytes) from.resume()
        },
        freeAt - now + delayMs
      )
    })
    from.on('end', () => setTimeout(() => to.end(), Math.max(0, freeAt - performance.now()) + delayMs))
  }
}
