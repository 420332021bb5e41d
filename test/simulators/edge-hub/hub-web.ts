import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Credentials } from './admission.ts'
import type { CertificateAuthority } from './certificates.ts'
import { verifySas } from './sas.ts'
import { acceptWebSocket } from './web-socket.ts'

export interface HubWebOptions {
  readonly host?: string
  readonly port?: number
  readonly iotHubHost: string
  readonly deviceId: string
  readonly modules: Readonly<Record<string, Credentials>>
  /** The module whose word edgeHub takes for a client's certificate. */
  readonly proxyModule: string
  /** SHA-256 fingerprints of the certificates that devices are registered with. */
  readonly devices?: Readonly<Record<string, string>>
  readonly certificates: CertificateAuthority
  /** Takes a WebSocket's stream of MQTT. */
  readonly accept: (stream: Duplex) => void
}

export interface HubRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** edgeHub's HTTP side: it knows its clients by a token, or by a certificate that its API proxy speaks for; and WebSocket. */
export interface HubWeb {
  start(): Promise<void>
  stop(): Promise<void>
  readonly port: number
  readonly requests: readonly HubRequest[]
}

export function createHubWeb(options: HubWebOptions): HubWeb {
  const { host = '127.0.0.1', iotHubHost, deviceId, modules, proxyModule, devices = {}, certificates, accept } = options
  const requests: HubRequest[] = []
  const sockets = new Set<Duplex>()
  let port = options.port ?? 0
  let server: Server | undefined

  /** iotedge, edge-hub: HttpRequestAuthenticator and HttpProxiedCertificateExtractor. Undefined: whoever it says it is. */
  function refusal({ url = '', headers }: IncomingMessage): string | undefined {
    const [actor = '', module] = String(headers['x-ms-edge-moduleid'] ?? url.split('/')[2]).split('/')
    const forwarded = headers['x-ms-edge-clientcert']
    if (forwarded === undefined) return module === undefined ? 'no token of a module' : tokenRefusal(headers, module)
    const untrusted = tokenRefusal(headers, proxyModule)
    if (untrusted !== undefined) return `the proxy: ${untrusted}`
    const { fingerprint256 } = new X509Certificate(decodeURIComponent(String(forwarded)))
    return devices[actor] === fingerprint256 ? undefined : 'not the certificate of that device'
  }

  function tokenRefusal({ authorization = '' }: IncomingMessage['headers'], module: string): string | undefined {
    const key = modules[module]?.key
    if (key === undefined) return 'unknown module'
    const outcome = verifySas(authorization, { key, resource: `${iotHubHost}/devices/${deviceId}/modules/${module}` })
    return 'refused' in outcome ? outcome.refused : undefined
  }

  async function record(request: IncomingMessage): Promise<HubRequest> {
    const { method = '', url = '', headers } = request
    const recorded = { method, url, headers, body: await text(request) }
    requests.push(recorded)
    return recorded
  }

  return {
    requests,
    get port() {
      return port
    },
    async start() {
      const { certificate, privateKey } = await certificates.issue({ names: [host, 'edgehub'] })
      server = createServer({ cert: certificate, key: privateKey }, async (request, response) => {
        const { method, url } = await record(request)
        const refused = refusal(request)
        response.writeHead(refused === undefined ? 200 : 401, { 'content-type': 'application/json' })
        response.end(JSON.stringify(refused === undefined ? { method, url } : { message: refused }))
      })
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        const { method = '', url = '', headers } = request
        requests.push({ method, url, headers, body: '' })
        if (headers['x-ms-edge-clientcert'] !== undefined && refusal(request) !== undefined) {
          socket.end('HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n')
          return
        }
        accept(acceptWebSocket(request, socket, head, 'mqtt'))
      })
      server.on('secureConnection', (socket: Duplex) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      await once(server.listen(port, host), 'listening')
      port = (server.address() as AddressInfo).port
    },
    async stop() {
      const closed = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}
