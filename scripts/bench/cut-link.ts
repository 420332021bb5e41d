import { connect, createServer, type Socket } from 'node:net'
import { randomBytes } from '../../test/fixtures/random-bytes.ts'
import { cut, listen } from './link-server.ts'

export interface CutLink {
  /** `127.0.0.1:<port>`, which leads to the other end. */
  readonly host: string
  /** What arrived from the other end. */
  readonly bytes: number
  readonly cuts: number
  close(): void
}

export interface CutLinkOptions {
  /** Connections that break, while so many bytes come from the other end. */
  readonly cuts: number
  readonly within: number
  readonly seed?: string
}

/** A line that breaks at places of chance, and always in the connection that carries the byte. */
export async function openCutLink(to: string, { cuts, within, seed = 'cuts' }: CutLinkOptions): Promise<CutLink> {
  const port = Number(to.split(':').at(-1))
  const sockets = new Set<Socket>()
  const places = placesOf(seed, cuts, within)
  let bytes = 0
  let broken = 0

  /** What still arrives of these bytes before the line breaks; all of them where it does not. */
  function arriving(piece: Buffer): Buffer {
    const place = places[broken]
    const arrives = place === undefined ? piece : piece.subarray(0, Math.max(0, place - bytes))
    bytes += arrives.length
    if (arrives.length < piece.length) broken++
    return arrives
  }

  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket.setNoDelay(true))
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    near.pipe(far)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroySoon())
    far.on('data', (piece: Buffer) => {
      // A stream that was destroyed hands out what it held all the same: behind the break nothing arrives.
      if (far.destroyed) return
      const arrives = arriving(piece)
      const isFull = !near.write(arrives)
      if (arrives.length < piece.length) far.destroy()
      else if (isFull) far.pause()
    })
    near.on('drain', () => far.resume())
  })
  return {
    host: await listen(server),
    get bytes() {
      return bytes
    },
    get cuts() {
      return broken
    },
    close: () => cut(server, sockets)
  }
}

function placesOf(seed: string, count: number, within: number): readonly number[] {
  const chance = new Uint32Array(randomBytes(seed, count * 4).slice().buffer)
  return Array.from(chance, (value) => Math.floor((value / 2 ** 32) * within)).sort((one, other) => one - other)
}
