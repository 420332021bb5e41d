import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type AgentOptions, request } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createTokenIssuer } from '@connected-registry/edge-module/sas-token.ts'
import { createKept } from '../../modules/api-proxy/src/kept.ts'
import type { Standing } from '../../modules/api-proxy/src/ways.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { createHubWeb } from '../simulators/edge-hub/hub-web.ts'
import { type Answer, aDoor, keptValue, silentLog } from './open-door.ts'

export const authority = await createCertificateAuthority()
const bothVersions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const
const lasting = { freshMs: Number.POSITIVE_INFINITY, usableMs: Number.POSITIVE_INFINITY, log: silentLog }

/** An edgeHub with a device that it knows by its certificate, and the door that leads to it. */
export async function aHubSite(t: TestContext, standing: Partial<Standing> = {}) {
  const keyOf = { 'api-proxy': randomBytes(32).toString('base64'), camera: randomBytes(32).toString('base64') }
  const modules = { 'api-proxy': { key: keyOf['api-proxy'] }, camera: { key: keyOf.camera } }
  const identity = { iotHubHost: 'hub.example', deviceId: 'edge-01', modules, certificates: authority }
  const pump = await authority.issue({ names: ['pump'], isClient: true })
  const devices = { pump: new X509Certificate(pump.certificate).fingerprint256 }
  const hub = createEdgeHub(identity)
  const web = createHubWeb({ ...identity, proxyModule: 'api-proxy', devices, accept: hub.accept })
  await Promise.all([hub.start(), web.start()])
  t.after(() => Promise.all([web.stop(), hub.stop()]))

  const issuerFor = (moduleId: keyof typeof keyOf) => {
    const { iotHubHost, deviceId } = identity
    const sharedAccessKey = keyOf[moduleId]
    return createTokenIssuer({ kind: 'connectionString', deviceId, moduleId, iotHubHost, sharedAccessKey, caFile: '' })
  }
  const token = createKept({ what: 'token', load: (signal) => issuerFor('api-proxy')(60_000, signal), ...lasting })
  const certificate = await authority.issue({ names: ['localhost'] })
  const door = await aDoor(t, 1, {
    tls: { certificate, versions: bothVersions, asksClients: true },
    places: { edgeHub: { host: '127.0.0.1', port: web.port } },
    standing: { trust: keptValue(authority.trustBundle), token, ...standing }
  })
  return {
    hub,
    web,
    door,
    keyOf,
    pump: { cert: pump.certificate, key: pump.privateKey },
    tokenOf: (module: keyof typeof keyOf) => issuerFor(module)(60_000, t.signal)
  }
}

/** One request over TLS, on a connection of its own unless an agent is given. */
export async function askSecurely(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body = '', agent = new Agent(), tls = {} }: AskOptions = {}
): Promise<Answer & { readonly isResumed: boolean }> {
  const asked = request({ host: 'localhost', port, path, method, headers, ca: authority.certificate, agent, ...tls })
  asked.end(body)
  const [answer] = await once(asked, 'response')
  const isResumed = (answer.socket as TLSSocket).isSessionReused()
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer), isResumed }
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly agent?: Agent
  /** A client's certificate and key. */
  readonly tls?: Pick<AgentOptions, 'cert' | 'key' | 'maxVersion'>
}
