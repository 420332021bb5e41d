import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { passwordHash } from '../../test/fixtures/password-hash.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { createCertificateAuthority } from '../../test/simulators/edge-hub/certificates.ts'
import { createModuleProcess, type ModuleProcess } from '../../test/simulators/module-process.ts'

/** The real modules as processes, standalone: a registry, and a door to it in plain HTTP and one in HTTPS. */
export interface Site {
  readonly registryUrl: string
  readonly httpDoorUrl: string
  readonly httpsDoorUrl: string
  readonly caFile: string
  readonly credentials: { readonly name: string; readonly password: string }
  /** Starts the registry anew in this mode, with what it holds. */
  use(mode: Mode): Promise<void>
  stop(): Promise<void>
}

export type Mode = 'ReadWrite' | 'ReadOnly'

const host = '127.0.0.1'
const actions = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']

export async function openSite(folder: string): Promise<Site> {
  const [registryPort, httpPort, httpsPort] = (await freePorts(3)) as [number, number, number]
  const credentials = { name: 'conformance', password: 'a password: with a colon' }
  const files = { settings: join(folder, 'settings.json'), ca: join(folder, 'ca.pem'), tls: join(folder, 'tls') }
  await writeCertificates(files)
  const registry = createModuleProcess({
    name: 'connected-registry',
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: {
      ACR_REGISTRY_HOST: host,
      ACR_REGISTRY_PORT: String(registryPort),
      ACR_REGISTRY_DATA_VOLUME: join(folder, 'data'),
      ACR_REGISTRY_SETTINGS: files.settings
    },
    ready: 'registry started'
  })
  const doors = [
    door(httpPort, registryPort, { API_PROXY_TLS: 'off' }),
    door(httpsPort, registryPort, { API_PROXY_CERTIFICATE_VOLUME: files.tls })
  ]
  const stop = async () => {
    await Promise.all([registry, ...doors].map((module) => module.stop()))
  }
  const started = [writeSettings('ReadWrite').then(() => registry.start()), ...doors.map((module) => module.start())]
  await Promise.all(started).catch(async (error: unknown) => {
    await stop()
    throw error
  })

  async function writeSettings(mode: Mode): Promise<void> {
    const passwords = [{ hash: passwordHash(credentials.password) }]
    const scopeMap = actions.map((action) => `repositories/*/${action}`)
    const clientTokens = [{ name: credentials.name, passwords, actions: scopeMap }]
    await writeFile(files.settings, JSON.stringify({ mode, clientTokens }), { mode: 0o600 })
  }

  return {
    registryUrl: `http://${host}:${registryPort}`,
    httpDoorUrl: `http://${host}:${httpPort}`,
    httpsDoorUrl: `https://${host}:${httpsPort}`,
    caFile: files.ca,
    credentials,
    async use(mode) {
      await writeSettings(mode)
      await registry.restart()
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
