import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'

export interface LineOptions {
  /** One way. */
  readonly delayMs?: number
  /** In each direction, all connections together. Left out: as fast as it goes. */
  readonly bytesPerSecond?: number
}

/** One direction of a link. */
export interface Line {
  /** When the last of these bytes is there, if they are sent now. In milliseconds of one clock. */
  arrival(now: number, bytes: number): number
}

export function createLine({ delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY }: LineOptions): Line {
  let free = Number.NEGATIVE_INFINITY
  return {
    arrival(now, bytes) {
      free = Math.max(free, now) + (bytes / bytesPerSecond) * 1000
      return free + delayMs
    }
  }
}

export interface Relay {
  readonly port: number
  /** Bytes so far. */
  readonly traffic: { up: number; down: number }
  close(): Promise<void>
}

export interface RelayOptions {
  readonly from: { readonly host: string; readonly port: number }
  readonly to: { readonly host: string; readonly port: number }
  readonly delayMs?: number
  readonly up: Line
  readonly down: Line
}

/** So much of a connection is under way at once: enough for two megabytes a second over 100 ms. */
const windowBytes = 256 * 1024

/** Leads connections on, as late and as slowly as its lines say. Every byte arrives, in its order, and so does an end. */
export async function openRelay({ from, to, delayMs = 0, up, down }: RelayOptions): Promise<Relay> {
  const traffic = { up: 0, down: 0 }
  const closing = new AbortController()
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (incoming) => void lead(incoming))
  await once(server.listen(from.port, from.host), 'listening')

  async function lead(incoming: Socket): Promise<void> {
    const outgoing = await open(incoming)
    if (!outgoing) return void incoming.destroy()
    // Whatever breaks it, each side sees a broken connection; an end alone is carried on.
    const led = [
      pipeline(
        incoming,
        carry(up, (bytes) => (traffic.up += bytes)),
        outgoing
      ),
      pipeline(
        outgoing,
        carry(down, (bytes) => (traffic.down += bytes)),
        incoming
      )
    ]
    await Promise.all(led).catch(() => undefined)
    incoming.destroy()
    outgoing.destroy()
  }

  /** Undefined: nobody is there, or not any more. A handshake takes one way there and one back. */
  async function open(incoming: Socket): Promise<Socket | undefined> {
    keep(incoming)
    try {
      await pause(2 * delayMs, undefined, { signal: closing.signal })
      const outgoing = connect({ ...to, allowHalfOpen: true })
      keep(outgoing)
      await once(outgoing, 'connect', { signal: closing.signal })
      return outgoing
    } catch {
      return undefined
    }
  }

  function keep(socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
  }

  return {
    port: (server.address() as AddressInfo).port,
    traffic,
    async close() {
      closing.abort()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** Holds what is sent until it arrives, and takes no more than a window of it. */
function carry(line: Line, note: (bytes: number) => void): Transform {
  let underWay = 0
  let goOn: (() => void) | undefined
  let last: Promise<void> = Promise.resolve()
  return new Transform({
    transform(chunk: Buffer, _, callback) {
      const due = line.arrival(performance.now(), chunk.length)
      underWay += chunk.length
      last = last.then(async () => {
        await pause(Math.max(0, due - performance.now()))
        if (this.destroyed) return
        this.push(chunk)
        note(chunk.length)
        underWay -= chunk.length
        goOn?.()
      })
      goOn = () => {
        if (underWay >= windowBytes) return
        goOn = undefined
        callback()
      }
      goOn()
    },
    flush(callback) {
      last.then(() => callback())
    }
  })
}
