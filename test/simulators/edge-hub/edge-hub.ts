import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { Aedes, type Client } from 'aedes'
import aedesPersistence from 'aedes-persistence'
import { type ConnectRecord, type Credentials, createAdmission } from './admission.ts'
import type { CertificateAuthority } from './certificates.ts'
import { createOutputs, type OutputMessage } from './outputs.ts'
import { createRequests, desiredFilter, methodsFilter, type Subscriber } from './requests.ts'
import { createTwins, type Json, type Section, type TwinDocument } from './twins.ts'

// Its types speak of a default export; what a CommonJS module exports is the function itself.
const createPersistence = aedesPersistence as unknown as () => object

/** Set and cleared while it runs. `drop`: no answer; a number: that status and an empty body, as edgeHub does. */
export interface EdgeHubFaults {
  /** CONNACK code. */
  denyConnect?: number | undefined
  /** Connections are accepted, and nothing is ever said on them. */
  hang?: boolean | undefined
  twinGet?: 'drop' | number | undefined
  /** `loseAnswer`: the patch is applied, but nobody hears of it. */
  reported?: 'drop' | 'loseAnswer' | number | undefined
  /** `loseAnswer`: a message to an output is taken, but never acknowledged. */
  messages?: 'loseAnswer' | undefined
  /** The connection is cut when this filter is subscribed. */
  cutOnSubscribe?: string | undefined
}

export interface EdgeHubOptions {
  readonly host?: string
  readonly port?: number
  readonly iotHubHost: string
  readonly deviceId: string
  readonly modules: Readonly<Record<string, Credentials>>
  readonly certificates: CertificateAuthority
  readonly log?: (message: string) => void
}

export interface EdgeHubEvents {
  connect: [ConnectRecord]
  disconnect: [module: string]
  subscribe: [module: string, filter: string]
  request: [module: string, kind: 'twinGet' | 'reported']
  reported: [module: string]
  message: [OutputMessage]
}

export interface MethodAnswer {
  readonly status: number
  readonly payload?: Json
}

/** edgeHub towards its modules, and the service side of their twins and methods. */
export interface EdgeHub {
  /** The same port each time. Without `keepSessions` the hub comes back as if its store were lost; twins stay. */
  start(options?: { readonly keepSessions?: boolean }): Promise<void>
  stop(): Promise<void>
  /** `host:port`: a module's GatewayHostName. */
  readonly gatewayHost: string
  readonly port: number
  readonly faults: EdgeHubFaults
  readonly events: EventEmitter<EdgeHubEvents>
  /** Every CONNECT, the denied ones too. */
  readonly connects: readonly ConnectRecord[]
  /** What modules sent to their outputs, for routes to lead on. */
  readonly messages: readonly OutputMessage[]
  twin(module: string): TwinDocument
  patchDesired(module: string, patch: Section): Promise<Delivery>
  setDesired(module: string, section: Section): Promise<Delivery>
  /** 404: not there; 504: no answer in time. */
  invoke(module: string, method: string, payload?: Json, timeoutMs?: number): Promise<MethodAnswer>
  /** Sends a raw message, well-formed or not. */
  send(module: string, topic: string, payload: string): Promise<void>
  /** Takes a connection that came another way, as by WebSocket. */
  accept(stream: Duplex): void
  /** Cuts the module's connection. */
  cut(module: string): void
  /** Resolves once the module is connected and subscribed to desired patches and methods. */
  connected(module: string, signal: AbortSignal): Promise<void>
  /** The first so many messages, those to come included. */
  sent(count: number, signal: AbortSignal): Promise<readonly OutputMessage[]>
  reportedMatches(module: string, predicate: (reported: Section) => boolean, signal: AbortSignal): Promise<Section>
}

export interface Delivery {
  readonly version: number
  /** False: the module was away or not subscribed, and nobody will send it again. */
  readonly delivered: boolean
}

export function createEdgeHub(options: EdgeHubOptions): EdgeHub {
  const { host = '127.0.0.1', deviceId, modules, certificates, log = () => {} } = options
  const faults: EdgeHubFaults = {}
  const events = new EventEmitter<EdgeHubEvents>().setMaxListeners(0)
  const twins = createTwins(Object.keys(modules))
  const admission = createAdmission({ ...options, faults, onConnect: (record) => events.emit('connect', record) })
  const outputs = createOutputs({ deviceId, faults, events })
  const requests = createRequests({ twins, outputs, faults, events, log, moduleOf: admission.moduleOf })
  const sockets = new Set<Socket>()
  let port = options.port ?? 0
  let persistence = createPersistence()
  let running: { broker: Aedes; server: Server } | undefined

  async function start({ keepSessions = true } = {}): Promise<void> {
    if (!keepSessions) persistence = createPersistence()
    const broker = await Aedes.createBroker({ persistence, heartbeatInterval: 3_600_000 })
    broker.authenticate = admission.authenticate
    broker.preConnect = admission.preConnect
    broker.authorizePublish = requests.authorizePublish
    broker.authorizeSubscribe = requests.authorizeSubscribe
    broker.on('clientDisconnect', (client) => events.emit('disconnect', admission.moduleOf(client)))
    broker.on('subscribe', (subscriptions, client) => {
      for (const { topic } of subscriptions) events.emit('subscribe', admission.moduleOf(client), topic)
    })
    const { certificate, privateKey } = await certificates.issue({ names: [host, 'localhost'] })
    const secure = createTlsServer({ cert: certificate, key: privateKey }, (socket) => void broker.handle(socket))
    secure.on('tlsClientError', (error) => log(`TLS: ${error.message}`))
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket)).on('error', () => undefined)
      if (!faults.hang) secure.emit('connection', socket)
    })
    await once(server.listen(port, host), 'listening')
    port = (server.address() as AddressInfo).port
    running = { broker, server }
  }

  async function stop(): Promise<void> {
    if (!running) return
    const { broker, server } = running
    running = undefined
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
    // Closing a broker empties its store, and the sessions in it are to outlive the broker.
    Reflect.set(broker, 'persistence', createPersistence())
    await new Promise<void>((resolve) => broker.close(() => resolve()))
  }

  function subscriber(module: string): Subscriber | undefined {
    const clients: Readonly<Record<string, Client>> = running ? Reflect.get(running.broker, 'clients') : {}
    const client = clients[`${deviceId}/${module}`]
    return client?.connected ? { client, subscriptions: Reflect.get(client, 'subscriptions') } : undefined
  }

  async function deliver(module: string, patch: Section): Promise<Delivery> {
    const version = Number(patch.$version)
    const to = subscriber(module)
    if (!to?.subscriptions[desiredFilter]) return { version, delivered: false }
    const topic = `$iothub/twin/PATCH/properties/desired/?$version=${version}`
    await requests.send(to.client, topic, JSON.stringify(patch))
    return { version, delivered: true }
  }

  return {
    start,
    stop,
    faults,
    events,
    connects: admission.connects,
    messages: outputs.messages,
    get port() {
      return port
    },
    get gatewayHost() {
      return `${host}:${port}`
    },
    twin: (module) => structuredClone(twins.get(module)),
    patchDesired: (module, patch) => deliver(module, twins.patchDesired(module, patch)),
    setDesired: (module, section) => deliver(module, twins.replaceDesired(module, section)),
    async invoke(module, method, payload, timeoutMs = 5_000) {
      const to = subscriber(module)
      if (!to?.subscriptions[methodsFilter]) return { status: 404 }
      return requests.invoke(to.client, method, payload ?? null, timeoutMs)
    },
    async send(module, topic, payload) {
      const to = subscriber(module)
      if (to) await requests.send(to.client, topic, payload)
    },
    accept(stream) {
      if (running) running.broker.handle(stream)
      else stream.destroy()
    },
    cut: (module) => subscriber(module)?.client.conn.destroy(),
    async connected(module, signal) {
      const isThere = () => {
        const filters = subscriber(module)?.subscriptions
        return Boolean(filters?.[desiredFilter] && filters[methodsFilter])
      }
      while (!isThere()) await once(events, 'subscribe', { signal })
    },
    async sent(count, signal) {
      while (outputs.messages.length < count) await once(events, 'message', { signal })
      return outputs.messages.slice(0, count)
    },
    async reportedMatches(module, predicate, signal) {
      while (!predicate(twins.get(module).reported)) await once(events, 'reported', { signal })
      return structuredClone(twins.get(module).reported)
    }
  }
}
