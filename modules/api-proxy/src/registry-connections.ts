import { connect, type Socket } from 'node:net'
import { hearToEnd } from '@connected-registry/edge-module/http-answer/heard-socket.ts'
import { AnswerTimeoutError } from './failures.ts'
import type { ForwardLimits } from './forward.ts'
import { connectInTime } from './registry-agent.ts'
import type { Address } from './routes.ts'
import { createSilence, type Silence } from './silence.ts'

/** Who reads what comes on a connection. */
export interface Reader {
  /** The piece's memory is taken again by the next one. Returns whether to go on; `resume` goes on later. */
  take(piece: Buffer): boolean
  /** Once: the connection is over, `error` where that is why. */
  ended(error: Error | undefined): void
  /** It is open and says nothing. */
  failed(error: Error): void
}

/** A connection to the registry, for one request after the other. */
export interface RegistryConnection {
  /** It has answered a request before. */
  readonly isReused: boolean
  readonly socket: Socket
  readonly silence: Silence
  use(reader: Reader): void
  /** The next pieces come in this memory; undefined: in one that all connections share. */
  readInto(buffer: Buffer | undefined): void
  resume(): void
  /** Its answer was read to the end: the next request may have it. */
  rest(): void
  destroy(): void
}

export interface RegistryConnections {
  /** One at rest, or else a new one. */
  take(): RegistryConnection
  /** A new one: resolves the name anew, as all of them, so that a registry that comes back elsewhere is found. */
  open(): RegistryConnection
  /** None rests from now on. */
  retire(): void
  close(): void
}

const restingLimit = 32
// Shorter than a server keeps one that nothing comes on (Node's own: five seconds): else it may close it just when it is asked.
const restingMs = 4_000
const sharedBytes = 64 * 1024

/** Connections by plain TCP, kept alive. What is read on them goes into memory that is used again: a fresh one costs most. */
export function createRegistryConnections(
  address: Address,
  { connectTimeoutMs, answerTimeoutMs }: ForwardLimits,
  now: () => number = () => performance.now()
): RegistryConnections {
  const shared = Buffer.allocUnsafeSlow(sharedBytes)
  const open = new Set<RegistryConnection>()
  /** The one that came last is at the end. */
  const resting: { readonly connection: RegistryConnection; readonly since: number }[] = []
  let isRetired = false

  function create(): RegistryConnection {
    let reader: Reader | undefined
    let buffer: Buffer = shared
    let failure: Error | undefined
    let isReused = false
    const onread = {
      buffer: () => buffer,
      // Nobody has asked for what comes at rest.
      callback: (count: number, bytes: Uint8Array) => reader?.take((bytes as Buffer).subarray(0, count)) ?? refuse()
    }
    const options = { ...address, noDelay: true, keepAlive: true, onread }
    const socket = connectInTime(hearToEnd(connect(options)), connectTimeoutMs)
    const silence = createSilence(answerTimeoutMs, () => reader?.failed(new AnswerTimeoutError(answerTimeoutMs)))

    function refuse(): boolean {
      socket.destroy()
      return false
    }

    function ended(): void {
      const told = reader
      reader = undefined
      open.delete(connection)
      const at = resting.findIndex((known) => known.connection === connection)
      if (at >= 0) resting.splice(at, 1)
      silence.close()
      socket.destroy()
      told?.ended(failure)
    }

    socket.on('error', (error) => {
      failure = error
    })
    socket.on('end', ended).on('close', ended)
    const connection: RegistryConnection = {
      get isReused() {
        return isReused
      },
      socket,
      silence,
      use(next) {
        reader = next
      },
      readInto(next) {
        buffer = next ?? shared
      },
      resume: () => void socket.resume(),
      rest() {
        reader = undefined
        isReused = true
        if (isRetired || socket.destroyed || resting.length >= restingLimit) socket.destroy()
        else resting.push({ connection, since: now() })
      },
      destroy() {
        reader = undefined
        socket.destroy()
      }
    }
    open.add(connection)
    return connection
  }

  return {
    take() {
      for (let known = resting.pop(); known; known = resting.pop()) {
        const { connection, since } = known
        if (!connection.socket.destroyed && now() - since < restingMs) return connection
        connection.socket.destroy()
      }
      return create()
    },
    open: create,
    retire() {
      isRetired = true
      for (const { connection } of resting.splice(0)) connection.socket.destroy()
    },
    close() {
      for (const connection of open) connection.socket.destroy()
    }
  }
}
