import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { passwordHash } from '../fixtures/password-hash.ts'
import { freePorts } from '../fixtures/ports.ts'
import { createCertificateAuthority } from './edge-hub/certificates.ts'
import { createModuleProcess, type ModuleProcess } from './module-process.ts'

/** The real modules as processes, standalone: a registry, a door to it in HTTPS, and where it is asked for one in plain HTTP. */
export interface Site {
  readonly registryUrl: string
  readonly httpDoorUrl: string
  readonly httpsDoorUrl: string
  /** PEM file of the authority that the door's certificate is from. */
  readonly caFile: string
  /** Starts the registry anew in this mode, with what it holds and with more settings. */
  use(mode: Mode, settings?: Readonly<Record<string, unknown>>): Promise<void>
  /** Resolves when a sync iteration has ended that brought something. */
  synced(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

export type Mode = 'ReadWrite' | 'ReadOnly'

export interface SiteToken {
  readonly name: string
  readonly password: string
  readonly actions: readonly string[]
}

export interface SiteOptions {
  /** Holds the data volume, the settings and the certificates. */
  readonly folder: string
  readonly tokens: readonly SiteToken[]
  /** Whether there is a door in plain HTTP, too. */
  readonly plainDoor?: boolean
  /** The registry speaks HTTPS itself, and there is no door to it. */
  readonly isSecure?: boolean
}

/** Every action on every repository. */
export const allActions = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write'].map(
  (action) => `repositories/*/${action}`
)

const host = '127.0.0.1'

/** Begins in ReadWrite mode. */
export async function openSite({ folder, tokens, plainDoor = false, isSecure = false }: SiteOptions): Promise<Site> {
  const [registryPort, httpPort, httpsPort] = (await freePorts(3)) as [number, number, number]
  const clientTokens = tokens.map(({ name, password, actions }) => ({
    name,
    passwords: [{ hash: passwordHash(password) }],
    actions
  }))
  const files = { settings: join(folder, 'settings.json'), ca: join(folder, 'ca.pem'), tls: join(folder, 'tls') }
  await writeCertificates(files)
  const registry = createModuleProcess({
    name: 'connected-registry',
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: {
      ACR_REGISTRY_HOST: host,
      ACR_REGISTRY_PORT: String(registryPort),
      ACR_REGISTRY_DATA_VOLUME: join(folder, 'data'),
      ACR_REGISTRY_SETTINGS: files.settings,
      ...(isSecure && { ACR_REGISTRY_CERTIFICATE_VOLUME: files.tls })
    },
    ready: 'registry started'
  })
  const doors = isSecure ? [] : [door(httpsPort, registryPort, { API_PROXY_CERTIFICATE_VOLUME: files.tls })]
  if (plainDoor && !isSecure) doors.push(door(httpPort, registryPort, { API_PROXY_TLS: 'off' }))
  const stop = async () => {
    await Promise.all([registry, ...doors].map((module) => module.stop()))
  }
  const started = [writeSettings('ReadWrite').then(() => registry.start()), ...doors.map((module) => module.start())]
  await Promise.all(started).catch(async (error: unknown) => {
    await stop()
    throw error
  })

  async function writeSettings(mode: Mode, settings = {}): Promise<void> {
    await writeFile(files.settings, JSON.stringify({ mode, clientTokens, ...settings }), { mode: 0o600 })
  }

  return {
    registryUrl: `${isSecure ? 'https' : 'http'}://${host}:${registryPort}`,
    httpDoorUrl: `http://${host}:${httpPort}`,
    httpsDoorUrl: `https://${host}:${httpsPort}`,
    caFile: files.ca,
    async use(mode, settings) {
      await writeSettings(mode, settings)
      await registry.restart()
    },
    async synced(signal) {
      await registry.line(({ msg, artifacts }) => msg === 'iteration ended' && Number(artifacts) > 0, signal)
    },
    stop
  }
}

function door(port: number, registryPort: number, tls: Readonly<Record<string, string>>): ModuleProcess {
  return createModuleProcess({
    name: 'api-proxy',
    main: new URL('../../modules/api-proxy/src/main.ts', import.meta.url),
    environment: {
      API_PROXY_HOST: host,
      NGINX_DEFAULT_PORT: String(port),
      CONNECTED_ACR_ROUTE_ADDRESS: `${host}:${registryPort}`,
      ...tls
    },
    ready: 'door opened'
  })
}

async function writeCertificates({ ca, tls }: { readonly ca: string; readonly tls: string }): Promise<void> {
  const authority = await createCertificateAuthority()
  const { certificate, privateKey } = await authority.issue({ names: [host, 'localhost'] })
  await mkdir(tls, { recursive: true })
  await writeFile(ca, authority.certificate)
  await writeFile(join(tls, 'tls.crt'), certificate)
  await writeFile(join(tls, 'tls.key'), privateKey, { mode: 0o600 })
}
