import type { RequestListener, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Drain } from '@connected-registry/edge-module/drain.ts'
import type { Authorities } from './authorities.ts'
import type { Config } from './config.ts'
import { serverOptions } from './http/server.ts'
import type { CertificatePair, ServerCertificate } from './server-certificate.ts'

// Not by `import`: that asks the module for all its names, and some of them load Node's own fetch, 10 MiB of it.
const { createServer } = process.getBuiltinModule('node:http')

export interface RegistryServer {
  readonly port: number
  /**
   * Resolves when no connection is left. What is under way may end; until then the port is open, so that whoever asks is told, and
   * a push can go on. Then connections that only wait are closed.
   */
  close(): Promise<void>
}

export interface ClientAuthorities extends Pick<Authorities, 'pems' | 'onChange'> {
  /** A client has shown, or not shown, its certificate to those in force. */
  shookHands(socket: Socket): void
}

export interface RegistryServerOptions extends Pick<Config, 'host' | 'port'> {
  readonly onRequest: RequestListener
  /** Undefined: plain HTTP. */
  readonly certificate?: Pick<ServerCertificate, 'current' | 'onChange'> | undefined
  /** Whose certificates clients are asked for; as long as it has none, and where it is undefined, they are not. */
  readonly clientAuthorities?: ClientAuthorities | undefined
  /** How long what is under way may take to end. */
  readonly drainMs: number
  readonly drain: Pick<Drain, 'began' | 'done'>
}

/** The socket that clients reach. Rejects where the port is taken. */
export async function openRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const { host, port, onRequest, certificate, clientAuthorities, drain, drainMs } = options
  const server = certificate ? createSecureServer(certificate, options) : createServer(serverOptions, onRequest)
  // Node closes connections that are idle when the server is closed, not those that become so afterwards.
  const closeIfClosing = () => void (server.listening || server.closeIdleConnections())
  server.on('request', (_, response) => {
    drain.began(response)
    response.once('close', () => setImmediate(closeIfClosing))
  })
  const handshakes = certificate && followHandshakes(server)
  if (clientAuthorities) server.on('secureConnection', clientAuthorities.shookHands)
  // What is under way still goes by the former ones.
  clientAuthorities?.onChange(() => cut(handshakes))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const deadline = AbortSignal.timeout(drainMs)
      await drain.done(deadline)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      cut(handshakes)
      if (deadline.aborted) server.closeAllConnections()
      else deadline.addEventListener('abort', () => server.closeAllConnections())
      await closed
    }
  }
}

/** Without a pair that is right nobody can connect. What is new is for new connections, those that are open keep what they have. */
function createSecureServer(
  { current, onChange }: Pick<ServerCertificate, 'current' | 'onChange'>,
  { onRequest, clientAuthorities }: Pick<RegistryServerOptions, 'onRequest' | 'clientAuthorities'>
): Server {
  // As late as that: without a certificate it need not be in memory.
  const https = process.getBuiltinModule('node:https')
  let shown = current
  const asks = () => (clientAuthorities?.pems ? asksClients : {})
  const context = () => {
    const ca = clientAuthorities?.pems
    return { ...tlsOptions, ...(ca && { ca: [...ca] }), ...(shown && pemOf(shown)) }
  }
  const server = https.createServer({ ...serverOptions, ...asks(), ...context() }, onRequest)
  function renew(): void {
    // Whatever is not named here again falls back to Node's defaults.
    server.setSecureContext(context())
    // Whether clients are asked is no part of it: each connection takes it from the server itself.
    Object.assign(server, asks())
  }
  clientAuthorities?.onChange(renew)
  onChange((pair) => {
    shown = pair
    renew()
  })
  return server
}

/** Connections without TLS yet, which the server knows nothing of when it closes: by the client's address and port. */
function followHandshakes(server: Server): ReadonlyMap<string, Socket> {
  const handshakes = new Map<string, Socket>()
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket)
    handshakes.set(name, socket)
    socket.once('close', () => handshakes.get(name) === socket && handshakes.delete(name))
  })
  server.on('secureConnection', (socket: Socket) => handshakes.delete(nameOf(socket)))
  return handshakes
}

function cut(handshakes: ReadonlyMap<string, Socket> | undefined): void {
  for (const socket of handshakes?.values() ?? []) socket.destroy()
}

// Forward secrecy and authenticated encryption alone; Node's own list ends with older ones. (Mozilla, "Intermediate")
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].flatMap((cipher) => [
    `ECDHE-ECDSA-${cipher}`,
    `ECDHE-RSA-${cipher}`
  ])
].join(':')
const tlsOptions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers, handshakeTimeout: 10_000 } as const
// What is shown, or not, is judged with the request (`http/client-certificates.ts`).
const asksClients = { requestCert: true, rejectUnauthorized: false } as const

function pemOf({ certificate, privateKey }: CertificatePair): { readonly cert: string; readonly key: string } {
  return { cert: certificate, key: privateKey }
}
