import type { RequestListener } from 'node:http'
import { createDrain } from '@connected-registry/edge-module/drain.ts'
import type { EdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { type Log, setLogLevel } from '@connected-registry/edge-module/log.ts'
import { createModuleClient, type ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import { createClosedAccess } from './access/closed-access.ts'
import { createClientActivity } from './client-activity.ts'
import type { Config } from './config.ts'
import { createDirectMethods } from './direct-methods.ts'
import { createRequestCounts } from './http/request-counts.ts'
import { createHttpHandler } from './http/server.ts'
import { keepSite, type OpenedSite } from './kept-site.ts'
import { createMetrics } from './metrics.ts'
import { keepParentConfig } from './parent-config.ts'
import { obstaclesOf } from './readiness.ts'
import { openRegistryServer } from './registry-server.ts'
import { createReporting } from './reporting.ts'
import { protectServer } from './server-protection.ts'
import { type Desired, openSettingsSources } from './settings-sources.ts'
import type { Site, SiteOptions } from './site.ts'
import { hubDetails } from './status-details.ts'
import { outlineOf } from './status-outline.ts'
import type { Store } from './store.ts'
import { codeOf, describe } from './sync/problems.ts'
import { createStatusBoard } from './sync/status.ts'
import { followTrust } from './trust.ts'

export interface AppOptions {
  readonly config: Config
  /** Undefined: standalone, from environment and settings file alone. */
  readonly edge?: EdgeEnvironment
  readonly log: Log
  readonly delays?: Partial<AppDelays>
  /** How patient it is with its parent. */
  readonly dispatcher?: SiteOptions['dispatcher']
  /** The waits of the channel to a parent that is a connected registry. */
  readonly gatewayPauses?: SiteOptions['gatewayPauses']
}

/** Every wait of its own, so that a test need not wait for any. */
export interface AppDelays {
  /** Between reports to the twin that are not urgent. */
  readonly reportMs: number
  /** Between attempts to open a data volume that cannot be used. */
  readonly reopenMs: number
  /** Between looks at the settings file, and at the files of the certificate volume. */
  readonly lookMs: number
  /** Between looks at the trust bundle. */
  readonly bundleMs: number
  /** For uploads and downloads that are under way at the end. */
  readonly drainMs: number
  /** Between two requests of a push that is under way at the end. */
  readonly betweenMs: number
}

export interface App {
  readonly port: number
  stop(): Promise<void>
}

const defaultDelays: AppDelays = {
  reportMs: 30_000,
  reopenMs: 10_000,
  lookMs: 2_000,
  bundleMs: 60_000,
  drainMs: 30_000,
  betweenMs: 1_000
}

/** Starts serving with what is here; everything that needs a network comes later and by itself. */
export async function startApp({ config, edge, log, dispatcher, gatewayPauses, ...options }: AppOptions): Promise<App> {
  const { dataVolume } = config
  const delays = { ...defaultDelays, ...options.delays }
  const sources = await openSettingsSources(config, delays)
  const board = createStatusBoard(
    () => new Date(),
    () => reporting.changed()
  )
  let tell = () => {}
  const onDetails = () => tell()
  const protection = await protectServer(config, { edge, log, lookMs: delays.lookMs, onChange: onDetails })
  const { certificate, clientAuthorities } = protection
  const trusting = { folder: config.certificateVolume, edge, log, ...delays }
  const trust = await followTrust({ ...trusting, onChange: takeTrust, onDetails })
  const details = () => [...trust.details, ...protection.details(), ...hubDetails(edge, sources.current)]
  const reporting = createReporting({ sources, board, dataVolume, log, details, certificate })
  tell = reporting.changed
  const drain = createDrain(delays)
  const clients = createClientActivity()
  const requests = createRequestCounts()
  const metrics = createMetrics({ reporting, board, requests, site: () => site, store: () => store, log })
  const stopping = new AbortController()
  let site: Site | undefined
  let store: Store | undefined
  let problem: unknown
  let client: ModuleClient | undefined
  let listener: RequestListener
  let desired: Desired | undefined
  let remembering: Promise<void> = Promise.resolve()

  const settings = () => sources.current
  const parentConfig = keepParentConfig({ sources, store: () => store, log })
  const siteOptions = {
    settings,
    board,
    log,
    onIteration: reporting.recount,
    onDelegation: reporting.changed,
    onChildren: reporting.changed,
    onGateway: reporting.changed,
    onNotifications: reporting.changed,
    parentConfig,
    childReport: reporting.childReport,
    gatewayPauses,
    dispatcher: { yields: clients.isHigh, ...dispatcher, proxies: config.proxies }
  }
  sources.onChange(applySettings)
  const { reopenMs, drainMs } = delays
  const kept = await keepSite({ dataVolume, site: siteOptions, reopenMs, log, onSite: use }).catch(async (error) => {
    await stopSettings()
    throw error
  })
  const { host, port } = config
  const onRequest: RequestListener = (request, response) => {
    clients.asked()
    listener(request, response)
  }
  const server = await openRegistryServer({
    host,
    port,
    onRequest,
    certificate,
    clientAuthorities,
    drain,
    drainMs
  }).catch(async (error) => {
    await stopSite()
    throw error
  })
  client = edge && startClient(edge)
  const scheme = certificate ? 'https' : 'http'
  log.info(
    { port: server.port, scheme, dataVolume, parent: sources.current.connection?.loginServer },
    'registry started'
  )

  function use(opened: OpenedSite): void {
    site = opened.site
    store = opened.store
    problem = opened.problem
    site.trust(trust.pems)
    if (client?.connected) site.notifications?.connected(client.send)
    const { registry, children } = site
    const access = createClosedAccess(site.access, awaitedTokens)
    const mode = () => sources.current.mode
    const status = async (seesAll: boolean) => (seesAll ? reporting.status() : outlineOf(await reporting.status()))
    const { loginServer } = config
    listener = createHttpHandler({
      registry,
      children,
      access,
      mode,
      status,
      metrics,
      requests,
      readiness,
      loginServer,
      refuses: drain.refuses,
      clientCertificates: certificate && protection.demand,
      log
    })
    reporting.use({ ...opened, isTwinAwaited })
    reporting.recount()
    // Before anything is applied: what is not in the scope goes.
    const last = edge && store?.state.data.desired
    if (last && !desired) sources.recallTwin(last)
    else remember()
    parentConfig.recall()
    applySettings()
    if (isStopping()) void opened.site.pause()
  }

  function startClient(environment: EdgeEnvironment): ModuleClient {
    const methods = createDirectMethods(() => site, reporting)
    const started = createModuleClient({ environment, methods, log, minimumReportIntervalMs: delays.reportMs })
    started.onDesired((document) => {
      if (!sources.takeTwin(document)) return
      desired = document
      applySettings()
      remember()
    })
    started.onConnection((connected) => site?.notifications?.connected(connected ? started.send : undefined))
    reporting.onReport((reported, { urgent }) => started.report(reported, { urgent }))
    started.start()
    return started
  }

  function remember(): void {
    if (store && desired) remembering = keep(store, desired)
  }

  async function keep({ state }: Store, document: Desired): Promise<void> {
    try {
      await state.update((kept) => ({ ...kept, desired: document }))
      log.info({ version: document.$version }, 'desired properties kept')
    } catch (error) {
      log.error({ code: codeOf(error), reason: describe(error) }, 'desired properties not kept')
    }
  }

  function takeTrust(): void {
    if (stopping.signal.aborted) return
    site?.trust(trust.pems)
    applySettings()
  }

  function applySettings(): void {
    parentConfig.follow(sources.current.connection)
    setLogLevel(log, sources.current.logLevel)
    // By half of the settings, repositories would leave the scope and go, and what clients pushed would be overwritten.
    const isKnown = !isTwinAwaited() && !sources.isIncomplete
    site?.apply(isKnown ? sources.current : { ...sources.current, repositories: [] })
    notify()
    reporting.changed()
  }

  /** By half of the settings it would be forgotten how far edgeHub was told. */
  function notify(): void {
    const { notifications } = sources.current
    const isUnheard = sources.lacksNotifications || (notifications.length === 0 && site?.isParentAwaited() === true)
    if (edge && !isTwinAwaited() && !isUnheard) site?.notifications?.apply(notifications)
  }

  /** Where the last twin is lost, its repositories would leave the scope and go. So nothing is synced before it is heard. */
  function isTwinAwaited(): boolean {
    return edge !== undefined && store?.stateProblem !== undefined && !desired
  }

  function readiness() {
    const areTokensAwaited = awaitedTokens(undefined) !== undefined
    return obstaclesOf({ isStopping: isStopping(), problem, areTokensAwaited })
  }

  function isStopping(): boolean {
    return stopping.signal.aborted
  }

  /** Where the tokens are not told yet, who is not known may be right all the same. */
  function awaitedTokens(name: string | undefined): string | undefined {
    if (sources.lacksTokens) return 'the client tokens are not known: settings were refused'
    if (edge && !desired && store?.state.data.desired === undefined) return 'the module twin was not heard yet'
    // A token that is configured here is not the parent's to tell; what was issued was issued for a token that was known.
    const isParents = name !== undefined && !sources.current.clientTokens.some((token) => token.name === name)
    return isParents && site?.isParentAwaited() ? 'the parent has not told its client tokens yet' : undefined
  }

  async function stop(): Promise<void> {
    stopping.abort()
    // Its long polls would be waited for.
    site?.children.close()
    await Promise.all([client?.stop(), site?.pause(), server.close()])
    await stopSite()
  }

  async function stopSite(): Promise<void> {
    await stopSettings()
    await kept.stop()
  }

  async function stopSettings(): Promise<void> {
    sources.close()
    trust.close()
    protection.close()
    await Promise.all([reporting.stop(), remembering, parentConfig.stop()])
  }

  return { port: server.port, stop }
}
