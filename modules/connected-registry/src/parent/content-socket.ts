import { isIP, connect as netConnect, type OnReadOpts, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import type { AddressGuard } from './address-guard.ts'
import type { ReadTurns } from './read-turns.ts'

/** A connection that is read into one buffer again and again: a fresh one for each read is what a client library costs. */
export interface ContentSocket {
  write(text: string): void
  /** The next bytes, in memory that the next call takes again; undefined at the end. Rejects ETIMEDOUT after `waitMs`. */
  read(waitMs: number): Promise<Uint8Array | undefined>
  /** Whether it may be used again: nothing came that nobody asked for, and the other side is there. */
  readonly isQuiet: boolean
  destroy(): void
}

export interface ContentSocketOptions {
  readonly origin: URL
  readonly guard: AddressGuard
  /** PEM; undefined: the system's. */
  readonly trusted: readonly string[] | undefined
  readonly connectMs: number
  readonly signal: AbortSignal
  readonly onSocket: (socket: Socket) => void
  readonly turns: ReadTurns
  /** How many bytes one read may bring, as of now: at most `mostReadBytes`. */
  readonly readBytes: () => number
}

export const mostReadBytes = 256 * 1024
const decryptedBytes = 64 * 1024

export async function openContentSocket(options: ContentSocketOptions): Promise<ContentSocket> {
  const { origin, guard, connectMs, signal, onSocket, turns, readBytes } = options
  const refusal = guard.refusal(origin.hostname)
  if (refusal) throw refusal
  signal.throwIfAborted()
  let ended = false
  let failure: Error | undefined
  let wake: () => void = () => {}
  let lastBytes = 0
  const arrivals = createArrivals(origin.protocol === 'https:', readBytes, () => wake())
  const socket = connectTo(options, arrivals.onread)
  onSocket(socket)
  const end = () => {
    ended = true
    wake()
  }
  socket.on('end', end).on('close', end)
  socket.on('error', (error) => {
    failure ??= error
    end()
  })
  await connected(socket, origin.protocol === 'https:' ? 'secureConnect' : 'connect', connectMs, signal)
  socket.setNoDelay(true)

  return {
    write: (text) => void socket.write(text, 'latin1'),
    async read(waitMs) {
      if (arrivals.isEmpty && !ended) {
        arrivals.reset()
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        let isWaiting = true
        // A new connection is read without being asked: where that is faster, a late turn must not read over what is in use.
        turns.take(lastBytes, () => isWaiting && socket.resume())
        const timer = setTimeout(() => socket.destroy(timedOut()), waitMs)
        await promise.finally(() => {
          isWaiting = false
          clearTimeout(timer)
        })
      }
      if (!arrivals.isEmpty) {
        const piece = arrivals.take()
        lastBytes = piece.byteLength
        return piece
      }
      if (failure) throw failure
      return undefined
    },
    get isQuiet() {
      return !ended && arrivals.isEmpty && !socket.destroyed
    },
    destroy: () => void socket.destroy()
  }
}

/**
 * What came and was not taken. Plain bytes come one piece at a time, in the buffer itself. TLS decrypts what it has into several
 * pieces, whether the reader wants them or not, so they are put behind each other.
 */
function createArrivals(isSecure: boolean, readBytes: () => number, arrived: () => void) {
  let buffer = Buffer.allocUnsafeSlow(mostReadBytes)
  const incoming = isSecure ? Buffer.allocUnsafeSlow(decryptedBytes) : buffer
  let [taken, filled] = [0, 0]

  function gather(count: number): void {
    if (filled + count > buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafeSlow(mostReadBytes)])
    incoming.copy(buffer, filled, 0, count)
    filled += count
  }

  const onread: OnReadOpts = {
    buffer: isSecure ? incoming : () => buffer.subarray(0, readBytes()),
    callback(count) {
      if (isSecure) gather(count)
      else [taken, filled] = [0, count]
      arrived()
      // The next ones come when these were taken.
      return false
    }
  }
  return {
    onread,
    get isEmpty() {
      return taken === filled
    },
    take(): Uint8Array {
      const piece = buffer.subarray(taken, filled)
      taken = filled
      return piece
    },
    /** Everything that was taken is done with. */
    reset(): void {
      ;[taken, filled] = [0, 0]
    }
  }
}

function connectTo({ origin, guard, trusted }: ContentSocketOptions, onread: OnReadOpts): Socket {
  const isSecure = origin.protocol === 'https:'
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const to = { host, port: Number(origin.port) || (isSecure ? 443 : 80), lookup: guard.lookup, onread }
  if (!isSecure) return netConnect(to)
  const servername = isIP(host) ? '' : host
  return tlsConnect({ ...to, servername, ALPNProtocols: ['http/1.1'], ...(trusted && { ca: [...trusted] }) } as object)
}

async function connected(socket: Socket, event: string, connectMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => reject(signal.reason)
  const timer = setTimeout(() => reject(timedOut()), connectMs)
  signal.addEventListener('abort', abort, { once: true })
  socket.once(event, resolve).once('error', reject)
  try {
    await promise
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    socket.off('error', reject)
  }
}

function timedOut(): Error {
  return Object.assign(new Error('the other side did not answer in time'), { code: 'ETIMEDOUT' })
}
