import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions as HttpsServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import { createSentAhead } from '@connected-registry/edge-module/http-answer/sent-ahead.ts'
import type { Log } from '@connected-registry/edge-module/log.ts'
import { answerError } from './answers.ts'
import { createConnections } from './connections.ts'

export type Handle = (request: IncomingMessage, response: ServerResponse) => void

/** What is done with requests to go on in another protocol. */
export interface Upgrades {
  /** Whether this one is for `handle`; else it is a request as any other. */
  isWanted(request: IncomingMessage): boolean
  /** The connection is its own from here on. */
  handle(request: IncomingMessage, socket: Socket, head: Buffer): void
}

/** PEM, the leaf first. */
export interface Certificate {
  readonly certificate: string
  readonly privateKey: string
}

export interface TlsVersions {
  readonly minVersion: SecureVersion
  readonly maxVersion: SecureVersion
}

export interface ServerTls {
  readonly certificate: Certificate
  readonly versions: TlsVersions
  /** OpenSSL's cipher list; undefined: Node's own. */
  readonly ciphers?: string | undefined
  /** Whether clients may show a certificate. It is not verified here: who passes it on must know whose it is. */
  readonly asksClients?: boolean
}

export interface ServerLimits {
  /** For a request's head, milliseconds. There is no limit for the whole of it: layers take their time. */
  readonly headersTimeoutMs: number
  /** A connection on which nothing moves, either way, is closed. Longer than the registry may take to answer. */
  readonly idleTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly handshakeTimeoutMs: number
  readonly maxHeaderBytes: number
  /** How long the rest of a request is read whose answer is out already, so that the answer is not lost to a reset. */
  readonly lingerMs: number
}

export const serverLimits: ServerLimits = {
  headersTimeoutMs: 20_000,
  idleTimeoutMs: 300_000,
  keepAliveTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  maxHeaderBytes: 32 * 1024,
  lingerMs: 10_000
}

export interface ServerOptions {
  readonly handle: Handle
  readonly upgrades?: Upgrades
  readonly log: Log
  /** Undefined: plain HTTP. */
  readonly tls?: ServerTls | undefined
  readonly limits?: ServerLimits
}

export interface DoorServer {
  listen(host: string | undefined, port: number): Promise<AddressInfo>
  /** For new connections; those that are open keep theirs. */
  replaceCertificate(certificate: Certificate): void
  /** Takes no more connections, closes idle ones, lets running requests finish, and cuts those left at `signal`. */
  stop(signal: AbortSignal): Promise<void>
}

/** The listening side: HTTP/1.1, over TLS where a certificate is given. */
export function createDoorServer(options: ServerOptions): DoorServer {
  const { handle, upgrades, log, tls, limits = serverLimits } = options
  const basics = { ...basicsOf(limits), shouldUpgradeCallback: upgrades?.isWanted ?? (() => false) }
  const connections = createConnections(limits.lingerMs)
  const sentAhead = createSentAhead()
  const secure = tls && createSecureServer({ ...basics, ...contextOf(tls), ...clientCertificates(tls) })
  const server: Server = secure ?? createServer(basics)

  function serve(request: IncomingMessage, response: ServerResponse): void {
    connections.began(request, response)
    const turn = sentAhead.itsTurn(request, response)
    if (turn === true) pass(request, response)
    // Else each would have a connection to the registry at once, and a write overtake the one it builds on.
    else if (turn) turn.then((isHere) => isHere && pass(request, response))
  }

  function pass(request: IncomingMessage, response: ServerResponse): void {
    try {
      handle(request, response)
    } catch (error) {
      log.error({ err: error, method: request.method }, 'request could not be handled')
      answerError(response, 'INTERNAL')
    }
  }

  // No header is dropped unseen: the size of the head is the limit.
  server.maxHeadersCount = 0
  server.on('request', serve)
  server.on('checkContinue', serve)
  if (upgrades) server.on('upgrade', upgrades.handle)
  server.on('connection', connections.opened)
  server.setTimeout(limits.idleTimeoutMs)
  server.closeIdleConnections = connections.closeIdle

  return {
    async listen(host, port) {
      server.listen({ host, port })
      await once(server, 'listening')
      // Such as too many open files: those that are open go on.
      server.on('error', (error) => log.error({ err: error }, 'connection not accepted'))
      return server.address() as AddressInfo
    },
    replaceCertificate(certificate) {
      // Whatever is not named here again falls back to Node's defaults.
      if (tls) secure?.setSecureContext(contextOf({ ...tls, certificate }))
    },
    async stop(signal) {
      const closed = once(server, 'close')
      server.close()
      if (signal.aborted) connections.closeAll()
      else signal.addEventListener('abort', connections.closeAll, { once: true })
      await closed
    }
  }
}

function basicsOf(limits: ServerLimits): HttpsServerOptions {
  return {
    requestTimeout: 0,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5_000),
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    handshakeTimeout: limits.handshakeTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes
  }
}

function contextOf({ certificate, versions, ciphers }: ServerTls): SecureContextOptions {
  const pem = { cert: certificate.certificate, key: certificate.privateKey }
  return { ...versions, ...pem, ...(ciphers !== undefined && { ciphers }) }
}

function clientCertificates({ asksClients = false }: ServerTls): HttpsServerOptions {
  return asksClients ? { requestCert: true, rejectUnauthorized: false } : {}
}
