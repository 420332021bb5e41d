import type { ClientRequestArgs } from 'node:http'
import { Agent } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { checkServerIdentity, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Kept } from './kept.ts'
import { ConnectTimeoutError } from './registry-agent.ts'

export interface Peer {
  /** DNS name or IP address that its certificate must be made out to. */
  readonly name: string
  /** PEM that its certificate is verified against. */
  readonly trust: Kept<string>
}

type Connected = (error: Error | null, socket: Duplex) => void

const chainErrors: ReadonlySet<unknown> = new Set([
  ...['SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_SIGNATURE_FAILURE', 'CERT_HAS_EXPIRED'],
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']
])

/**
 * Connections over TLS, kept alive. Each one resolves the name anew and verifies by what is trusted now; where that
 * fails, what is trusted is read again, for it may just have changed.
 */
export class SecureAgent extends Agent {
  readonly #peer: Peer
  readonly #connectTimeoutMs: number
  #context: { readonly pem: string; readonly context: SecureContext } | undefined

  constructor(peer: Peer, connectTimeoutMs: number) {
    super({ keepAlive: true, maxFreeSockets: 32, scheduling: 'lifo' })
    this.#peer = peer
    this.#connectTimeoutMs = connectTimeoutMs
  }

  override createConnection({ host, port }: ClientRequestArgs, connected?: Connected): undefined {
    const answer = connected ?? (() => undefined)
    this.#connect({ host: host ?? 'localhost', port: Number(port) }).then(
      (socket) => answer(null, socket),
      (error) => (answer as (error: Error) => void)(error)
    )
  }

  async #connect(at: { readonly host: string; readonly port: number }): Promise<TLSSocket> {
    const signal = AbortSignal.timeout(this.#connectTimeoutMs)
    const pem = await this.#inTime(this.#peer.trust.get(), signal)
    try {
      return await this.#handshake(at, pem, signal)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && chainErrors.has(error.code))) throw error
      const renewed = await this.#inTime(this.#peer.trust.renew(), signal)
      if (renewed === pem) throw error
      return this.#handshake(at, renewed, signal)
    }
  }

  #handshake({ host, port }: { host: string; port: number }, pem: string, signal: AbortSignal): Promise<TLSSocket> {
    const { name } = this.#peer
    const socket = connect({
      ...{ host, port, secureContext: this.#contextOf(pem), ALPNProtocols: ['http/1.1'] },
      // A name only: RFC 6066, 3, has no IP addresses.
      ...(isIP(name) === 0 && { servername: name }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate)
    })
    socket.setNoDelay(true).setKeepAlive(true)
    const made = Promise.withResolvers<TLSSocket>()
    socket.once('secureConnect', () => made.resolve(socket))
    socket.once('error', made.reject)
    return this.#inTime(made.promise, signal, socket)
  }

  async #inTime<T>(promise: Promise<T>, signal: AbortSignal, socket?: TLSSocket): Promise<T> {
    const late = Promise.withResolvers<never>()
    const expired = () => late.reject(new ConnectTimeoutError(`no connection within ${this.#connectTimeoutMs} ms`))
    signal.addEventListener('abort', expired)
    if (signal.aborted) expired()
    try {
      return await Promise.race([promise, late.promise])
    } catch (error) {
      socket?.on('error', () => undefined).destroy()
      throw error
    } finally {
      signal.removeEventListener('abort', expired)
    }
  }

  #contextOf(pem: string): SecureContext {
    if (this.#context?.pem !== pem) {
      this.#context = { pem, context: createSecureContext({ ca: pem, minVersion: 'TLSv1.2' }) }
    }
    return this.#context.context
  }
}
