import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fillCloud } from '../test/fixtures/fill-cloud.ts'
import { isPortFree } from '../test/fixtures/ports.ts'
import { createWorld, type World } from '../test/simulators/world.ts'
import { readArguments, type SimulationArguments, usage } from './simulate-arguments.ts'
import { liveLine, readyScreen } from './simulate-screen.ts'

const folder = join(process.cwd(), '.simulation')
const worldFile = join(folder, 'world.json')
const processFile = join(folder, 'process')
const firstSyncMs = 60_000

try {
  const given = readArguments(process.argv.slice(2))
  if (given.help) process.stdout.write(usage)
  else await simulate(given)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

/** The main job: a cloud, an edge device with both modules, and a screen that says what to try. Ctrl-C ends it. */
async function simulate({ fresh, ports, parent, repositories }: SimulationArguments): Promise<void> {
  const began = performance.now()
  await requirePorts(Object.values(parent === undefined ? ports : { ...ports, cloud: ports.hub, cloudData: ports.hub }))
  await requireFolder()
  if (fresh) await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(processFile, String(process.pid))
  const world = await createWorld({ folder, ports, parent, repositories })
  // An output that is closed has no reader left to simulate for.
  const unread = new Promise((resolve) => process.stdout.on('error', resolve))
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), unread])
  try {
    if (world.cloud) fillCloud(world.cloud.contents)
    await world.start()
    const tags = await firstSync(world, repositories)
    await writeFile(worldFile, `${JSON.stringify(describe(world), undefined, 2)}\n`, { mode: 0o600 })
    const facts = { readyMs: performance.now() - began, tags, worldFile: relative(process.cwd(), worldFile) }
    process.stdout.write(readyScreen(world, facts))
    for (const { events } of [world.registry, world.proxy]) events.on('line', (line) => show(liveLine(line)))
    await Promise.race([interrupted, endOf(world)])
  } finally {
    await rm(worldFile, { force: true })
    await world.stop()
    await rm(processFile, { force: true })
  }
}

/** One simulation a folder: another one would take its certificates and its data from it. */
async function requireFolder(): Promise<void> {
  const other = Number(await readFile(processFile, 'utf8').catch(() => ''))
  if (other > 0 && isRunning(other)) throw new Error(`a simulation is running in this folder already: process ${other}`)
}

function isRunning(other: number): boolean {
  try {
    return process.kill(other, 0)
  } catch {
    return false
  }
}

async function requirePorts(ports: readonly number[]): Promise<void> {
  for (const port of new Set(ports)) {
    if (!(await isPortFree(port))) throw new Error(`port ${port} is taken; choose others with --port-base N`)
  }
}

/** Waits until the first iteration ended, whatever came of it, and looks at what the site serves. */
async function firstSync(
  world: World,
  repositories: readonly string[]
): Promise<ReadonlyMap<string, readonly string[]>> {
  await settingsTaken(world)
  const until = performance.now() + firstSyncMs
  while (!(await hasSynced(world)) && performance.now() < until) await pause(100)
  const names = repositories.filter((name) => !name.endsWith('*'))
  const lists = await Promise.all(names.map((name) => ask(world, `/v2/${name}/tags/list`)))
  return new Map(names.flatMap((name, at) => (lists[at]?.tags ? [[name, lists[at].tags as readonly string[]]] : [])))
}

/** A connection string that is refused is said at once, in the registry's own words. */
async function settingsTaken({ hub }: World): Promise<void> {
  const isJudged = (reported: object) => 'settings' in reported && hasVersion(reported.settings)
  const { settings } = await hub.reportedMatches('connected-registry', isJudged, AbortSignal.timeout(firstSyncMs))
  const { problems = [] } = settings as { problems?: readonly string[] }
  if (problems.length > 0) throw new Error(`the registry refuses its settings: ${problems.join('; ')}`)
}

function hasVersion(settings: unknown): boolean {
  const { version, refusedVersion } = (settings ?? {}) as { version?: number; refusedVersion?: number }
  return version !== undefined || refusedVersion !== undefined
}

async function hasSynced(world: World): Promise<boolean> {
  const { sync } = await ask(world, '/status')
  return (sync as { last?: unknown } | undefined)?.last !== undefined
}

async function ask({ registryUrl, clientToken }: World, path: string): Promise<Record<string, unknown>> {
  const authorization = `Basic ${Buffer.from(`${clientToken.name}:${clientToken.password}`).toString('base64')}`
  const answer = await fetch(new URL(path, registryUrl), {
    headers: { authorization },
    signal: AbortSignal.timeout(5_000)
  })
  return (await answer.json()) as Record<string, unknown>
}

/** For tools and tests: full URLs of everything there is. */
function describe(world: World) {
  const { cloud, syncToken, clientToken, registryUrl, proxyUrl, caFile } = world
  return {
    cloud: cloud && {
      loginServer: cloud.url,
      dataEndpoint: `http://${cloud.dataEndpoint}`,
      username: 'admin',
      password: syncToken.password
    },
    layers: [{ name: 'edge', registry: registryUrl, proxy: proxyUrl, caFile, clientToken }]
  }
}

async function endOf({ registry, proxy }: World): Promise<never> {
  const name = await Promise.race([registry, proxy].map(({ name, events }) => once(events, 'exit').then(() => name)))
  throw new Error(`${name} ended by itself; its last lines are above`)
}

function show(line: string | undefined): void {
  if (line !== undefined) process.stdout.write(line)
}
