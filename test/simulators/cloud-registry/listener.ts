import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

/** PEM texts. */
export interface Certificates {
  readonly key: string
  readonly cert: string
}

/** One port, which keeps its number from its first start on: stopped it refuses connections, started it is back. */
export interface Listener {
  /** `host:port`; throws before the first start. */
  readonly address: string
  start(): Promise<void>
  /** Ends what is open. */
  stop(): Promise<void>
}

export interface ListenerOptions {
  readonly host: string
  /** 0, the default, for any. */
  readonly port?: number
  readonly certificates?: Certificates | undefined
  readonly onRequest: RequestListener
}

export function createListener({ host, port = 0, certificates, onRequest }: ListenerOptions): Listener {
  let server: Server | undefined
  let bound: number | undefined
  return {
    get address() {
      if (bound === undefined) throw new Error('the registry has not been started')
      return `${host}:${bound}`
    },
    async start() {
      if (server) return
      const opening = certificates ? createTlsServer({ ...certificates }, onRequest) : createServer(onRequest)
      opening.listen(bound ?? port, host)
      await once(opening, 'listening')
      const address = opening.address()
      bound = typeof address === 'object' && address ? address.port : undefined
      server = opening
    },
    async stop() {
      if (!server) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      server = undefined
      await closed
    }
  }
}
