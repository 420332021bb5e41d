import type { AddressInfo } from 'node:net'
import { createDrain } from '@connected-registry/edge-module/drain.ts'
import { type Log, setLogLevel } from '@connected-registry/edge-module/log.ts'
import { createModuleClient, type ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import {
  type CertificateWatchOptions,
  certificateFromFiles,
  watchServerCertificate
} from '@connected-registry/edge-module/tls.ts'
import type { Desired } from '@connected-registry/edge-module/twin.ts'
import { createWorkload, type ServerCertificate } from '@connected-registry/edge-module/workload.ts'
import packageFile from '../package.json' with { type: 'json' }
import type { CertificateSource, Config } from './config.ts'
import { createDoor, createUpgrades } from './door.ts'
import { createForwards } from './forwards.ts'
import { answerHealth, type Obstacle } from './health.ts'
import { createRegistryProbe, registryOf } from './registry-probe.ts'
import { formatAddress, type RouteTable, routesOf } from './routes.ts'
import { createDoorServer, type DoorServer } from './server.ts'
import { parseSettings, type Settings } from './settings.ts'
import { createStanding } from './standing.ts'
import { refuseNew } from './stopping.ts'
import { createWay } from './ways.ts'

export interface AppOptions {
  readonly config: Config
  readonly log: Log
  /** How long running requests may go on once the module is told to stop, milliseconds. */
  readonly drainMs: number
  /** By which certificates are renewed. Left out: the device's. */
  readonly clock?: Pick<CertificateWatchOptions, 'now' | 'setTimer'>
}

export interface App {
  /** Resolves when the door is open: with the first certificate. Rejects where the port cannot be had. */
  readonly opened: Promise<AddressInfo>
  stop(): Promise<void>
}

/** What the reported twin says, besides what is fixed. */
interface State {
  listening?: AddressInfo
  expiration?: Date
  certificateProblem?: string | undefined
  desiredVersion?: number
  problems: readonly string[]
}

/** Needs nobody to start: the door opens with its certificate, and the twin counts when edgeHub is there. */
export function startApp({ config, log, drainMs, clock }: AppOptions): App {
  let table = routesOf(config.places)
  const standing = createStanding(config, log)
  const forwards = createForwards((upstream) => createWay(upstream, { standing, log }))
  const door = { routes: () => table, forwards, log }
  const drain = createDrain()
  const handle = refuseNew(answerHealth(createDoor(door), readiness), drain)
  const probe = createRegistryProbe(() => registryOf(table))
  const opened = Promise.withResolvers<AddressInfo>()
  const state: State = { problems: [] }
  const client = config.edge && createModuleClient({ environment: config.edge, methods: {}, log })
  let server: DoorServer | undefined
  let isStopping = false

  async function readiness(): Promise<readonly Obstacle[]> {
    const obstacles: Obstacle[] = []
    if (isStopping) obstacles.push({ code: 'STOPPING', description: 'the door is closing' })
    if (state.expiration && state.expiration.getTime() <= Date.now()) {
      const description = `the certificate expired at ${state.expiration.toISOString()}`
      obstacles.push({ code: 'CERTIFICATE_EXPIRED', description })
    }
    return [...obstacles, ...(await probe())]
  }

  /** Each change is rare and worth a message of its own. */
  function report(): void {
    client?.report(reportOf(config, table, state), { urgent: true })
  }

  function open(certificate?: ServerCertificate): void {
    const { tlsVersions: versions, ciphers, edge } = config
    const tls = certificate && { certificate, versions, ciphers, asksClients: edge !== undefined }
    server = createDoorServer({ handle, upgrades: createUpgrades(door), log, tls })
    server.listen(config.host, config.port).then(listening, opened.reject)
  }

  function listening(at: AddressInfo): void {
    state.listening = at
    const { address, port } = at
    log.info({ address, port, routes: describeRoutes(table), certificate: config.certificate.kind }, 'door opened')
    report()
    opened.resolve(at)
  }

  function useCertificate(certificate: ServerCertificate): void {
    if (server) server.replaceCertificate(certificate)
    else open(certificate)
    state.expiration = certificate.expiration
    report()
  }

  function useProblem(problem: string | undefined): void {
    if (problem === state.certificateProblem) return
    state.certificateProblem = problem
    report()
  }

  function useSettings({ logLevel, routes }: Settings): void {
    setLogLevel(log, logLevel)
    const before = JSON.stringify(describeRoutes(table))
    table = routesOf(config.places, routes)
    forwards.keepOnly(table)
    if (JSON.stringify(describeRoutes(table)) !== before) log.info({ routes: describeRoutes(table) }, 'routes changed')
  }

  function useDesired(desired: Desired): void {
    const { settings, problems } = parseSettings(desired)
    if (settings) useSettings(settings)
    if (problems.length > 0) log.warn({ problems }, 'desired properties have problems')
    state.problems = problems
    if (typeof desired.$version === 'number') state.desiredVersion = desired.$version
    report()
  }

  /** The port stays open until nothing is under way: whoever asks is told, and a push goes on. */
  async function close(deadline: AbortSignal): Promise<void> {
    await drain.done(deadline)
    await server?.stop(deadline)
  }

  const load = loaderOf(config.certificate)
  const watch =
    load && watchServerCertificate({ load, onCertificate: useCertificate, onProblem: useProblem, log, ...clock })
  if (!load) open()
  client?.onDesired(useDesired)
  client?.start()

  return {
    opened: opened.promise,
    async stop() {
      isStopping = true
      watch?.stop()
      await Promise.all([close(AbortSignal.timeout(drainMs)), client?.stop()])
      forwards.close()
      standing.close()
    }
  }
}

function loaderOf(source: CertificateSource): ((signal: AbortSignal) => Promise<ServerCertificate>) | undefined {
  if (source.kind === 'off') return undefined
  if (source.kind === 'files') return certificateFromFiles(source.directory)
  const workload = createWorkload(source.environment)
  return (signal) => workload.serverCertificate(source.commonName, signal)
}

/** `{ prefix, target, protocol }`, the shape in which the twin adds some. */
function describeRoutes({ routes, storage }: RouteTable) {
  const described = routes.map(({ prefix, target: { address, protocol } }) => {
    return { prefix, target: formatAddress(address), protocol }
  })
  return storage ? [...described, { header: 'x-ms-version', target: formatAddress(storage.address) }] : described
}

function reportOf({ certificate }: Config, table: RouteTable, state: State): Parameters<ModuleClient['report']>[0] {
  const { listening, expiration, certificateProblem, desiredVersion, problems } = state
  return {
    version: packageFile.version,
    routes: describeRoutes(table),
    listening: listening && { address: listening.address, port: listening.port },
    certificate: { source: certificate.kind, expiration: expiration?.toISOString(), problem: certificateProblem },
    desiredVersion,
    problems
  }
}
