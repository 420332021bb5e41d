import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ownCost, passwordHash } from '../../test/fixtures/password-hash.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { findTool } from '../../test/fixtures/tools.ts'
import { imageEnvironment } from '../../test/simulators/module-process.ts'
import { openConnection } from './connection.ts'
import { createOurModule, type OurModuleOptions, writeOurSettings } from './our-module.ts'

/** A registry under measurement, as a process of its own with a folder of its own. */
export interface Contender {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly folder: string
  /** A header line that lets everything be done with the repository; empty for who asks nobody for anything. */
  authorize(repository: string): Promise<string>
  /** Stops and starts it with what it holds; resolves to the milliseconds until it answered. */
  restart(): Promise<number>
  stop(): Promise<void>
}

export interface OurContender extends Contender {
  /** Resolves with the next line of its log that says this, within minutes. */
  logged(words: string): Promise<void>
  /** Settings instead of those it has; taken within seconds. Who may ask stays as it is. */
  configure(settings: Pick<OurOptions, 'garbageCollection'>): Promise<void>
}

export interface OurOptions {
  /** The folder for a CPU profile of its whole life. */
  readonly profile?: string | undefined
  /** Its clock shows what it showed so long ago. */
  readonly clockBehindMs?: number
  /** As its settings have it. */
  readonly garbageCollection?: object
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: OurModuleOptions['command']
  readonly create?: OurModuleOptions['create']
}

export const ours = 'connected-registry'
/** What the ratios are against. */
export const reference = 'docker-registry'

/** Who may do everything, here and where else a name and a password are asked for. */
export const benchUser = { name: 'bench', password: 'bench-password' } as const

const startTimeoutMs = 20_000
const tokenLifeMs = 8 * 60_000
const logTimeoutMs = 5 * 60_000

/** The connected registry itself, standalone, with Bearer authentication; then every other registry that is on the PATH. */
export async function startContenders(
  folder: string,
  options: Pick<OurOptions, 'profile' | 'create'> = {}
): Promise<readonly Contender[]> {
  const others = [
    { name: reference, start: startDistribution },
    { name: 'registry', start: startDistribution },
    { name: 'zot', start: startZot }
  ]
  const started: Contender[] = [await startOurs(join(folder, ours), options)]
  for (const { name, start } of others) {
    const program = findTool(name)
    if (program) started.push(await start(name, program, join(folder, name)))
  }
  return started
}

/** A connected registry with its store below `folder`. */
export async function startOurs(folder: string, options: OurOptions = {}): Promise<OurContender> {
  const actions = ['content/read', 'content/write', 'content/delete', 'metadata/read']
  const token = {
    name: benchUser.name,
    passwords: [{ hash: passwordHash(benchUser.password, ownCost) }],
    actions: actions.map((action) => `repositories/*/${action}`)
  }
  const settingsOf = ({ garbageCollection }: Pick<OurOptions, 'garbageCollection'>) => {
    return { mode: 'ReadWrite', clientTokens: [token], garbageCollection }
  }
  const { module, port } = await createOurModule({
    folder,
    settings: settingsOf(options),
    environment: { NODE_OPTIONS: nodeOptionsOf(options), ...options.environment },
    command: options.command,
    create: options.create
  })
  await module.start()
  const refused = module.lines.find(({ msg }) => msg === 'settings refused')
  if (refused) await module.stop()
  if (refused) throw new Error(`${ours} refused its settings: ${refused.problem}`)
  const authorize = createAuthorizer(port, benchUser)
  return {
    name: ours,
    port,
    get pid() {
      return module.pid ?? 0
    },
    folder,
    authorize,
    async logged(words) {
      const signal = AbortSignal.timeout(logTimeoutMs)
      for await (const [line] of on(module.events, 'line', { signal })) if (line.msg === words) return
    },
    configure: (settings) => writeOurSettings(folder, settingsOf(settings)),
    async restart() {
      await module.stop()
      return timed(async () => {
        await module.start()
        await answers(port)
      })
    },
    stop: async () => void (await module.stop())
  }
}

function nodeOptionsOf({ profile, clockBehindMs }: OurOptions): string {
  const clock = new URL(`./programs/past-clock.ts?ms=${clockBehindMs}`, import.meta.url)
  return [
    imageEnvironment.NODE_OPTIONS,
    ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
    ...(clockBehindMs ? [`--import=${clock}`] : [])
  ].join(' ')
}

/** Access tokens are kept as clients keep them: one a repository, asked for again before it expires. */
export function createAuthorizer(port: number, { name, password }: { name: string; password: string }) {
  const kept = new Map<string, { readonly header: string; readonly until: number }>()
  const basic = `Authorization: Basic ${Buffer.from(`${name}:${password}`).toString('base64')}\r\n`
  return async (repository: string) => {
    const known = kept.get(repository)
    if (known && performance.now() < known.until) return known.header
    const connection = await openConnection(port)
    const scope = repository === '' ? 'registry:catalog:*' : `repository:${repository}:pull,push,delete`
    const path = `/acr/oauth2/token?service=127.0.0.1&scope=${scope}`
    const { status, body } = await connection.send({ method: 'GET', path, headers: basic, keepBody: true })
    connection.close()
    if (status !== 200) throw new Error(`the token endpoint answered ${status}`)
    const header = `Authorization: Bearer ${JSON.parse(body).access_token}\r\n`
    kept.set(repository, { header, until: performance.now() + tokenLifeMs })
    return header
  }
}

/** CNCF distribution, 2.x as Debian packages it (`docker-registry`) or 3.x (`registry`). `more`: of its configuration. */
export async function startDistribution(
  name: string,
  program: string,
  folder: string,
  more: object = {}
): Promise<Contender> {
  return startProgram({ name, program, folder }, (port) => ({
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder, 'store') },
      cache: { blobdescriptor: 'inmemory' },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } }
    },
    http: { addr: `127.0.0.1:${port}`, secret: 'bench' },
    ...more
  }))
}

async function startZot(name: string, program: string, folder: string): Promise<Contender> {
  return startProgram({ name, program, folder }, (port) => ({
    storage: { rootDirectory: join(folder, 'store'), gc: false },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' }
  }))
}

interface Program {
  readonly name: string
  readonly program: string
  readonly folder: string
}

async function startProgram({ name, program, folder }: Program, configure: (port: number) => object) {
  const [port = 0] = await freePorts(1)
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'config.json') // JSON is YAML
  await writeFile(config, JSON.stringify(configure(port)))
  const start = () => spawn(program, ['serve', config], { stdio: 'ignore' })
  let child = start()
  await answers(port)
  return {
    name,
    port,
    get pid() {
      return child.pid ?? 0
    },
    folder,
    authorize: async () => '',
    async restart() {
      await end(child)
      return timed(async () => {
        child = start()
        await answers(port)
      })
    },
    stop: () => end(child)
  }
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** A program that does not say when it serves is asked until it does. */
export async function answers(port: number): Promise<void> {
  const until = performance.now() + startTimeoutMs
  for (;;) {
    try {
      const connection = await openConnection(port)
      return connection.close()
    } catch (error) {
      if (performance.now() > until) throw error
      await pause(5)
    }
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}
