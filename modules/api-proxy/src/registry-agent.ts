import { Agent, type ClientRequestArgs } from 'node:http'
import { connect, type Socket } from 'node:net'
import { hearToEnd } from '@connected-registry/edge-module/http-answer/heard-socket.ts'

export class ConnectTimeoutError extends Error {
  override readonly name = 'ConnectTimeoutError'
  readonly code = 'ETIMEDOUT'
}

/**
 * Connections to the registry, kept alive. Each one resolves the name anew, so that a registry that comes back at
 * another address is found; looking up and connecting together take at most `connectTimeoutMs`.
 */
export class RegistryAgent extends Agent {
  readonly #connectTimeoutMs: number

  constructor(connectTimeoutMs: number) {
    super({ keepAlive: true, maxFreeSockets: 32, scheduling: 'lifo' })
    this.#connectTimeoutMs = connectTimeoutMs
  }

  override createConnection({ host, port }: ClientRequestArgs): Socket {
    const socket = connect({ host: host ?? undefined, port: Number(port), noDelay: true, keepAlive: true })
    return connectInTime(hearToEnd(socket), this.#connectTimeoutMs)
  }
}

/** Ends a socket that is not connected by then. */
export function connectInTime(socket: Socket, limitMs: number): Socket {
  const expired = () => socket.destroy(new ConnectTimeoutError(`no connection within ${limitMs} ms`))
  const timer = setTimeout(expired, limitMs)
  for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(timer))
  return socket
}
