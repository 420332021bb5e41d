import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { passwordHash } from '../fixtures/password-hash.ts'
import { type CloudRegistry, createCloudRegistry } from './cloud-registry/cloud-registry.ts'
import { type CertificateAuthority, createCertificateAuthority } from './edge-hub/certificates.ts'
import { createEdgeHub, type EdgeHub } from './edge-hub/edge-hub.ts'
import { moduleEnvironment } from './edge-hub/module-environment.ts'
import { createWorkloadApi, type WorkloadApi } from './edge-hub/workload-api.ts'
import { createModuleProcess, type ModuleProcess, type ModuleProcessOptions } from './module-process.ts'

/** A cloud and one edge device: edgeHub, the workload API and the two real modules, which know only what their twins say. */
export interface World {
  /** Undefined where a real parent stands in its place. */
  readonly cloud: CloudRegistry | undefined
  readonly hub: EdgeHub
  readonly workload: WorkloadApi
  readonly registry: ModuleProcess
  readonly proxy: ModuleProcess
  /** Full URLs of the two doors. */
  readonly registryUrl: string
  readonly proxyUrl: string
  /** PEM file with the authority of the API proxy's certificate. */
  readonly caFile: string
  readonly syncToken: NameAndPassword
  readonly clientToken: NameAndPassword
  /** Direct methods of the connected registry. */
  invoke(method: string): Promise<{ readonly status: number; readonly payload?: unknown }>
  start(): Promise<void>
  stop(): Promise<void>
}

export interface NameAndPassword {
  readonly name: string
  readonly password: string
}

export interface WorldPorts {
  readonly cloud: number
  readonly cloudData: number
  readonly registry: number
  readonly proxy: number
  readonly hub: number
}

export interface WorldOptions {
  /** Holds the registry's data volume and the authority's file. */
  readonly folder: string
  /** The device's own name; the loopback where left out. */
  readonly host?: string
  readonly ports: WorldPorts
  /** A parent that is there already, instead of the simulated cloud. */
  readonly parent?: string
  readonly repositories: readonly string[]
  readonly cloud?: { readonly acr?: boolean; readonly redirectBlobs?: boolean; readonly isRealmAsked?: boolean }
  /** How the modules learn who they are: from the runtime, or from development's connection string. */
  readonly identity?: 'runtime' | 'connectionString'
  /** What runs the modules; left out: processes from the sources. */
  readonly module?: (options: ModuleProcessOptions) => ModuleProcess
  readonly clientToken?: NameAndPassword
  readonly syncToken?: NameAndPassword
  /** The device's own authority; left out: a root of its own. */
  readonly authority?: CertificateAuthority
  readonly deviceId?: string
  /** Left out: that of its sync token. */
  readonly registryName?: string
  /** Of a device below another one: what edgeAgent tells its modules. */
  readonly parentHost?: string
  /** The registry takes everything but its connection string from its parent. */
  readonly isConfiguredAbove?: boolean
  /** More desired properties of the connected registry. */
  readonly desired?: Readonly<Record<string, unknown>>
}

const iotHubHost = 'simulated.azure-devices.net'
const readAll = ['repositories/*/content/read', 'repositories/*/metadata/read']

export async function createWorld(options: WorldOptions): Promise<World> {
  const { folder, host = '127.0.0.1', ports, repositories, identity = 'runtime' } = options
  const { module = createModuleProcess } = options
  const { clientToken = { name: 'line-1', password: randomBytes(9).toString('base64url') } } = options
  const { syncToken = { name: 'siteregistry', password: randomBytes(24).toString('base64') } } = options
  const device = { deviceId: options.deviceId ?? 'edge-device', iotHubHost }
  const keys = { 'connected-registry': newKey(), 'api-proxy': newKey() }
  const modules = { 'connected-registry': { key: keys['connected-registry'] }, 'api-proxy': { key: keys['api-proxy'] } }
  const authority = options.authority ?? (await createCertificateAuthority())
  const caFile = join(folder, 'ca.pem')
  // A unix socket's path has room for a hundred bytes only: the folder may be too deep.
  const sockets = await mkdtemp(join(tmpdir(), 'workload-'))

  const cloud = options.parent === undefined ? createCloud() : undefined
  const hub = createEdgeHub({ host, port: ports.hub, ...device, modules, certificates: authority })
  const workload = createWorkloadApi({ socketPath: join(sockets, 'workload.sock'), modules, certificates: authority })

  function createCloud(): CloudRegistry {
    const tokens = cloudTokens(syncToken, repositories, options.desired?.mode)
    return createCloudRegistry({ host, loginPort: ports.cloud, dataPort: ports.cloudData, tokens, ...options.cloud })
  }

  function variables(module: keyof typeof keys): Record<string, string> {
    const common = { module, key: keys[module], ...device, gatewayHost: `${host}:${ports.hub}` }
    return moduleEnvironment(
      identity === 'runtime'
        ? { ...common, workloadUri: workload.uri, parentHost: options.parentHost }
        : { ...common, caFile }
    )
  }

  const registry = module({
    name: 'connected-registry',
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: {
      ...variables('connected-registry'),
      ACR_REGISTRY_HOST: host,
      ACR_REGISTRY_PORT: String(ports.registry),
      ACR_REGISTRY_DATA_VOLUME: join(folder, 'data')
    },
    folders: [join(folder, 'data'), sockets],
    ready: 'registry started'
  })
  const proxy = module({
    name: 'api-proxy',
    main: new URL('../../modules/api-proxy/src/main.ts', import.meta.url),
    environment: {
      ...variables('api-proxy'),
      API_PROXY_HOST: host,
      NGINX_DEFAULT_PORT: String(ports.proxy),
      CONNECTED_ACR_ROUTE_ADDRESS: `${host}:${ports.registry}`,
      // Development has no workload API, hence no certificate from it.
      ...(identity === 'runtime' ? {} : { API_PROXY_CERTIFICATE_VOLUME: join(folder, 'certificates') })
    },
    folders: [sockets],
    ready: 'door opened'
  })

  function desired(): Record<string, unknown> {
    const connection = options.parent ?? connectionString(syncToken, cloud!.loginServer, 'http', options.registryName)
    if (options.isConfiguredAbove) return { connectionString: connection, ...options.desired }
    return { ...demoSettings(connection, repositories, clientToken), ...options.desired }
  }

  return {
    cloud,
    hub,
    workload,
    registry,
    proxy,
    registryUrl: `http://${host}:${ports.registry}`,
    proxyUrl: `https://${host}:${ports.proxy}`,
    caFile,
    syncToken,
    clientToken,
    invoke: (method) => hub.invoke('connected-registry', method, {}, 30_000),
    async start() {
      await mkdir(folder, { recursive: true })
      await writeFile(caFile, authority.trustBundle)
      if (identity === 'connectionString') await writeCertificate(join(folder, 'certificates'))
      await Promise.all([cloud?.start(), hub.start(), workload.start()])
      await hub.setDesired('connected-registry', desired() as Parameters<EdgeHub['setDesired']>[1])
      await Promise.all([registry.start(), proxy.start()])
    },
    async stop() {
      await Promise.all([registry.stop(), proxy.stop()])
      await Promise.all([cloud?.stop(), hub.stop(), workload.stop()])
      await rm(sockets, { recursive: true, force: true })
    }
  }

  async function writeCertificate(directory: string): Promise<void> {
    const { certificate, privateKey } = await authority.issue({ names: [host, 'localhost'] })
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'tls.crt'), certificate)
    await writeFile(join(directory, 'tls.key'), privateKey, { mode: 0o600 })
  }
}

/** Desired properties of a site that follows these repositories, for one client. */
export function demoSettings(connectionString: string, repositories: readonly string[], client: NameAndPassword) {
  const token = { name: client.name, passwords: [{ hash: passwordHash(client.password) }], actions: readAll }
  return { connectionString, mode: 'ReadOnly', repositories: [...repositories], clientTokens: [token] }
}

export function connectionString(
  { name, password }: NameAndPassword,
  parent: string,
  protocol = 'http',
  registryName: string = name
): string {
  return [
    `ConnectedRegistryName=${registryName}`,
    `SyncTokenName=${name}`,
    `SyncTokenPassword=${password}`,
    `ParentGatewayEndpoint=${parent}`,
    `ParentEndpointProtocol=${protocol}`
  ].join(';')
}

/** Whom the simulated cloud knows: the registry's sync token and the administrator. */
export function cloudTokens(syncToken: NameAndPassword, repositories: readonly string[], mode: unknown) {
  return [{ ...syncToken, actions: syncActions(repositories, mode) }, administrator(syncToken.password)]
}

/** What `az acr connected-registry create` grants a registry's sync token. */
function syncActions(repositories: readonly string[], mode: unknown): readonly string[] {
  const granted = mode === 'ReadWrite' ? everyAction : everyAction.filter((action) => action.endsWith('/read'))
  return repositories.flatMap((name) => granted.map((action) => `repositories/${name}/${action}`))
}

const everyAction = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']

/** Who pushes into the cloud: the demonstration's user. */
function administrator(password: string) {
  return { name: 'admin', password, actions: everyAction.map((action) => `repositories/*/${action}`) }
}

function newKey(): string {
  return randomBytes(32).toString('base64')
}
