import type { Socket } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Agent, buildConnector } from 'undici'
import type { AddressGuard } from './address-guard.ts'

export interface Timeouts {
  /** Name lookup, TCP and TLS together. */
  readonly connectMs: number
  readonly headersMs: number
  /** Without a byte of the body. */
  readonly idleMs: number
  /** A whole answer that is not a blob: a slow link may need minutes for 4 MiB, a dripping one gets no more. */
  readonly answerMs: number
}

export const defaultTimeouts: Timeouts = { connectMs: 10_000, headersMs: 30_000, idleMs: 60_000, answerMs: 600_000 }

/** Since the start. */
export interface Traffic {
  readonly requests: number
  /** Requests that a host did not answer, or said that it cannot. */
  readonly failures: number
  /** On the wire, headers included. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface Connections {
  readonly agent: Agent
  bytes(): Pick<Traffic, 'sentBytes' | 'receivedBytes'>
}

export interface ConnectionsOptions {
  readonly timeouts: Timeouts
  /** PEM, trusted beside the system's. */
  readonly certificateAuthorities: readonly string[]
  readonly guard: AddressGuard
}

/** Connections are kept alive and counted. */
export function createConnections({ timeouts, certificateAuthorities, guard }: ConnectionsOptions): Connections {
  const trusted =
    certificateAuthorities.length > 0 ? [...getCACertificates('default'), ...certificateAuthorities] : undefined
  const { lookup } = guard
  const connect = buildConnector({ timeout: timeouts.connectMs, lookup, ...(trusted ? { ca: trusted } : {}) })
  const meter = createMeter()
  const agent = new Agent({
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.idleMs,
    connect(options, callback) {
      // Node looks up names only.
      const refusal = guard.refusal(options.hostname)
      if (refusal) return callback(refusal, null)
      connect(options, (...[error, socket]) => {
        if (socket) meter.add(socket)
        if (error) callback(error, null)
        else callback(null, socket)
      })
    }
  })
  return { agent, bytes: meter.bytes }
}

function createMeter() {
  const open = new Set<Socket>()
  let sentBytes = 0
  let receivedBytes = 0
  return {
    add(socket: Socket): void {
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        sentBytes += socket.bytesWritten
        receivedBytes += socket.bytesRead
      })
    },
    bytes() {
      const sockets = [...open]
      return {
        sentBytes: sockets.reduce((sum, socket) => sum + socket.bytesWritten, sentBytes),
        receivedBytes: sockets.reduce((sum, socket) => sum + socket.bytesRead, receivedBytes)
      }
    }
  }
}
