import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from './config.ts'
import { serverOptions } from './http/server.ts'

// Not by `import`: that asks the module for all its names, and some of them load Node's own fetch, 10 MiB of it.
const { createServer } = process.getBuiltinModule('node:http')

export interface RegistryServer {
  readonly port: number
  /** Resolves when no connection is left: answers that are under way may end, connections that only wait are closed. */
  close(): Promise<void>
}

export interface RegistryServerOptions extends Pick<Config, 'host' | 'port'> {
  readonly onRequest: RequestListener
  /** How long answers may take to end. */
  readonly drainMs: number
}

/** The socket that clients reach. Rejects where the port is taken. */
export async function openRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const { host, port, onRequest, drainMs } = options
  const server = createServer(serverOptions, onRequest)
  // Node closes connections that are idle when the server is closed, not those that become so afterwards.
  const closeIfClosing = () => void (server.listening || server.closeIdleConnections())
  server.on('request', (_, response) => response.once('close', () => setImmediate(closeIfClosing)))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const timer = setTimeout(() => server.closeAllConnections(), drainMs)
      await closed
      clearTimeout(timer)
    }
  }
}
