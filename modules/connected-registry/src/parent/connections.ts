import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { getCACertificates } from 'node:tls'
import { hearToEnd } from '@connected-registry/edge-module/http-answer/heard-socket.ts'
import type * as Undici from 'undici'
import type { AddressGuard } from './address-guard.ts'
import { type ContentConnections, createContentConnections } from './content-connections.ts'
import { type ProxySettings, proxyFor } from './proxies.ts'
import { openTunnel } from './tunnel.ts'

// Loaded with the first connections: it takes 14 MiB, and a registry without a parent makes none.
const loadUndici = (): typeof Undici => createRequire(import.meta.url)('undici')

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
  /** Of them, those that would change something there. */
  readonly writeRequests: number
  /** Requests that a host did not answer, or said that it cannot. */
  readonly failures: number
  /** On the wire, headers included. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface Connections {
  request(url: URL, options: RequestOptions): Promise<Undici.Dispatcher.ResponseData>
  /** For content. Undefined: proxies lead to the parent, and `request` brings content too. */
  readonly content: ContentConnections | undefined
  bytes(): Pick<Traffic, 'sentBytes' | 'receivedBytes'>
  /** Ends every request that is under way. */
  destroy(): Promise<void>
}

export type RequestOptions = Omit<Undici.Dispatcher.RequestOptions, 'origin' | 'path'>

export interface ConnectionsOptions {
  readonly timeouts: Timeouts
  /** PEM, trusted beside the system's. */
  readonly certificateAuthorities: readonly string[]
  readonly guard: AddressGuard
  readonly proxies?: ProxySettings | undefined
  /** Others wait for the event loop: content is read in smaller pieces. */
  readonly yields?: (() => boolean) | undefined
}

type Connect = ReturnType<typeof Undici.buildConnector>

/** At most so many to one host; more requests wait. */
const perHost = 32

/**
 * Connections are kept alive and counted. Where a proxy leads to the host it looks up the name, and only a host that is an
 * address can be judged here.
 */
export function createConnections({
  timeouts,
  certificateAuthorities,
  guard,
  proxies,
  yields
}: ConnectionsOptions): Connections {
  const { Agent, buildConnector, request } = loadUndici()
  const trusted =
    certificateAuthorities.length > 0
      ? [...new Set([...getCACertificates('default'), ...certificateAuthorities])]
      : undefined
  const { lookup } = guard
  const direct = buildConnector({ timeout: timeouts.connectMs, lookup, ...(trusted ? { ca: trusted } : {}) })
  const meter = createMeter()

  const connect: Connect = (options, callback) => {
    const { protocol, hostname } = options
    const to = { protocol, host: hostname.replace(/^\[|\]$/g, ''), port: Number(options.port) || defaultPort(protocol) }
    const proxy = proxyFor(proxies, to)
    if (!proxy) return direct(options, callback)
    openTunnel({ proxy, ...to, timeoutMs: timeouts.connectMs, certificateAuthorities: trusted }).then(
      (socket) => {
        if (protocol === 'https:') direct({ ...options, httpSocket: socket }, callback)
        else callback(null, socket)
      },
      (error: Error) => callback(error, null)
    )
  }

  const agent = new Agent({
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.idleMs,
    connections: perHost,
    connect(options, callback) {
      // Node looks up names only.
      const refusal = guard.refusal(options.hostname)
      if (refusal) return callback(refusal, null)
      connect(options, (...[error, socket]) => {
        if (error) return callback(error, null)
        meter.add(socket)
        callback(null, hearToEnd(socket))
      })
    }
  })
  const { connectMs, idleMs } = timeouts
  const content = proxies
    ? undefined
    : createContentConnections({ guard, trusted, connectMs, idleMs, onSocket: meter.add, yields })
  return {
    request: (url, options) => request(url, { dispatcher: agent, ...options }),
    content,
    bytes: meter.bytes,
    async destroy() {
      content?.close()
      await agent.destroy()
    }
  }
}

function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80
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
