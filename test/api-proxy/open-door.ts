import { once } from 'node:events'
import { createServer, type RequestListener, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createLog, type Log } from '@connected-registry/edge-module/log.ts'
import { createDoor, createUpgrades } from '../../modules/api-proxy/src/door.ts'
import { type ForwardLimits, forwardLimits } from '../../modules/api-proxy/src/forward.ts'
import { createForwards } from '../../modules/api-proxy/src/forwards.ts'
import { createKept } from '../../modules/api-proxy/src/kept.ts'
import { type Places, type Route, routesOf } from '../../modules/api-proxy/src/routes.ts'
import {
  createDoorServer,
  type DoorServer,
  type ServerLimits,
  type ServerOptions,
  serverLimits
} from '../../modules/api-proxy/src/server.ts'
import { createWay, type Standing } from '../../modules/api-proxy/src/ways.ts'

export const silentLog: Log = createLog({ module: 'test', level: 'None' })

export interface OpenRegistry {
  readonly server: Server
  readonly port: number
  stop(): Promise<void>
}

/** A registry's stand-in behind the door: any listener, on a real port. */
export async function aRegistry(t: TestContext, listener: RequestListener, port = 0): Promise<OpenRegistry> {
  const server = createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  t.after(stop)
  return { server, port: (server.address() as AddressInfo).port, stop }
}

export interface DoorOptions {
  readonly host?: string
  readonly log?: Log
  readonly limits?: Partial<ForwardLimits & ServerLimits>
  readonly tls?: ServerOptions['tls']
  /** In place of the one registry. */
  readonly places?: Places
  readonly added?: readonly Route[]
  readonly standing?: Partial<Standing>
}

export interface OpenDoor {
  readonly port: number
  readonly server: DoorServer
}

/** The door on a free port of the loopback address, leading to the registry at `registryPort`. */
export async function aDoor(t: TestContext, registryPort: number, options: DoorOptions = {}): Promise<OpenDoor> {
  const { host = '127.0.0.1', log = silentLog, limits, tls } = options
  const table = routesOf(options.places ?? { registry: { host, port: registryPort } }, options.added)
  const standing = { ...nobodysStanding, ...options.standing }
  const forwards = createForwards((upstream) => {
    return createWay(upstream, { standing, log, limits: { ...forwardLimits, ...limits } })
  })
  const door = { routes: () => table, forwards, log }
  const handle = createDoor(door)
  const upgrades = createUpgrades(door)
  const server = createDoorServer({ handle, upgrades, log, tls, limits: { ...serverLimits, ...limits } })
  const { port } = await server.listen('127.0.0.1', 0)
  t.after(async () => {
    await server.stop(AbortSignal.abort())
    forwards.close()
  })
  return { port, server }
}

/** Options by which each of the two ways to a place is taken: the relay that registries have, and http-proxy. */
export const ways: Readonly<Record<string, (port: number) => DoorOptions>> = {
  relay: () => ({}),
  'http-proxy': (port) => ({
    added: [{ prefix: '/v2', target: { kind: 'module', protocol: 'http', address: { host: '127.0.0.1', port } } }]
  })
}

/** What does not change in a test. */
export function keptValue<T>(value: T) {
  const lasting = Number.POSITIVE_INFINITY
  return createKept({ what: 'value', load: async () => value, freshMs: lasting, usableMs: lasting, log: silentLog })
}

const nobodysStanding: Standing = {
  trust: keptValue(''),
  publicTrust: keptValue(''),
  gatewayHost: '127.0.0.1',
  token: keptValue('')
}

/** What comes back for exactly these bytes, until the door closes the connection. */
export async function exchangeRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes, 'latin1')
  return text(socket)
}

export async function openSocket(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** What has come in when `end` is at its end. The socket has an encoding. */
export async function received(socket: Socket, end: string): Promise<string> {
  let text = ''
  while (!text.endsWith(end)) text += (await once(socket, 'data'))[0]
  return text
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** One request on a connection of its own, with nothing but the headers given. */
export async function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {} as Record<string, string | string[]>, body = undefined as string | undefined } = {}
): Promise<Answer> {
  const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  asked.end(body)
  const [answer] = await once(asked, 'response')
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}
