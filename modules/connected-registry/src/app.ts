import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { type Log, setLogLevel } from '@connected-registry/edge-module/log.ts'
import { createModuleClient, type ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import type { Config } from './config.ts'
import { createDirectMethods } from './direct-methods.ts'
import { createHttpHandler, serverOptions } from './http/server.ts'
import { createReporting } from './reporting.ts'
import { openSettingsSources } from './settings-sources.ts'
import { createClosedSite, createSite, type Site, type SiteOptions } from './site.ts'
import type { Json } from './storage/record-store.ts'
import { openStore, type Store } from './store.ts'
import { codeOf, describe } from './sync/problems.ts'
import { createStatusBoard } from './sync/status.ts'
import { obtainTrustBundle } from './trust.ts'

export interface AppOptions {
  readonly config: Config
  /** Undefined: standalone, from environment and settings file alone. */
  readonly edge?: EdgeEnvironment
  readonly log: Log
}

export interface App {
  readonly port: number
  stop(): Promise<void>
}

type Desired = Readonly<Record<string, Json>>
type Opening = { readonly store: Store } | { readonly error: unknown }

const reopenAfterMs = 10_000
const drainMs = 10_000

/** Starts serving with what is here; everything that needs a network comes later and by itself. */
export async function startApp({ config, edge, log }: AppOptions): Promise<App> {
  const opening = await tryOpen(config.dataVolume)
  let desired: Desired = ('store' in opening && opening.store.state.data.desired) || {}
  const sources = await openSettingsSources(config, desired)
  const board = createStatusBoard(
    () => new Date(),
    () => reporting.changed()
  )
  const reporting = createReporting({ sources, board, dataVolume: config.dataVolume, log })
  const siteOptions: SiteOptions = {
    settings: () => sources.current,
    board,
    log,
    onIteration: () => void reporting.recount()
  }
  const stopping = new AbortController()
  let site: Site
  let store: Store | undefined
  let listener: RequestListener
  let reopening: NodeJS.Timeout | undefined

  await use(opening)
  const server = createServer(serverOptions, (request, response) => listener(request, response))
  const port = await listen(server, config)
  const client = edge && startClient(edge)
  if (edge) obtainTrustBundle(edge, log, stopping.signal).then(trust)
  sources.onChange(applySettings)
  applySettings()
  log.info({ port, dataVolume: config.dataVolume, parent: sources.current.connection?.loginServer }, 'registry started')

  async function use(opened: Opening): Promise<void> {
    if ('store' in opened) store = opened.store
    else refuseService(opened.error)
    site = store ? await createSite(store, siteOptions) : await createClosedSite(siteOptions)
    reporting.use({ site, store, problem: 'error' in opened ? opened.error : undefined })
    const { registry, access } = site
    const { loginServer } = config
    listener = createHttpHandler({
      registry,
      access,
      mode: () => sources.current.mode,
      status: reporting.status,
      loginServer,
      log
    })
    await reporting.recount()
  }

  function refuseService(error: unknown): void {
    log.error(
      { code: codeOf(error), dataVolume: config.dataVolume, reason: describe(error) },
      'data volume cannot be used'
    )
    reopening = setTimeout(() => reopen().catch((cause: unknown) => refuseService(cause)), reopenAfterMs)
  }

  async function reopen(): Promise<void> {
    const opened = await tryOpen(config.dataVolume)
    await use(opened)
    if (!store) return
    log.info({ dataVolume: config.dataVolume }, 'data volume can be used again')
    if (Object.keys(desired).length > 0) await remember()
    else sources.takeTwin(store.state.data.desired ?? {})
    applySettings()
  }

  function startClient(environment: EdgeEnvironment): ModuleClient {
    const methods = createDirectMethods(() => site, reporting.status)
    const moduleClient = createModuleClient({ environment, methods, log })
    moduleClient.onDesired((document) => {
      if (!sources.takeTwin(document)) return
      desired = document
      remember().catch((error: unknown) => log.error({ reason: describe(error) }, 'desired properties not kept'))
    })
    reporting.onReport((reported) => moduleClient.report(reported))
    moduleClient.start()
    return moduleClient
  }

  async function remember(): Promise<void> {
    await store?.state.update((data) => ({ ...data, desired }))
  }

  function trust(certificateAuthorities: readonly string[]): void {
    if (stopping.signal.aborted) return
    site.trust(certificateAuthorities)
    site.apply(sources.current)
  }

  function applySettings(): void {
    setLogLevel(log, sources.current.logLevel)
    for (const { source, problem } of sources.problems)
      log.error({ code: 'SETTINGS_REFUSED', source, problem }, 'settings refused')
    site.apply(sources.current)
    reporting.changed()
  }

  return {
    port,
    async stop() {
      stopping.abort()
      clearTimeout(reopening)
      sources.close()
      await client?.stop()
      await drain(server)
      await site.stop()
    }
  }
}

async function tryOpen(dataVolume: string): Promise<Opening> {
  return openStore(dataVolume).then(
    (store) => ({ store }),
    (error: unknown) => ({ error })
  )
}

async function listen(server: Server, { host, port }: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return (server.address() as AddressInfo).port
}

/** Answers that are under way may end; connections that only wait are closed. */
async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(timer)
}
