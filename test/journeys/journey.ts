import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { freePorts } from '../fixtures/ports.ts'
import { requireTool } from '../fixtures/tools.ts'
import { createWorld, type World, type WorldOptions, type WorldPorts } from '../simulators/world.ts'
import { type Above, createSkopeo, type Skopeo } from './skopeo.ts'

/** A whole world of real processes on ports of its own, and a real client at its door. */
export interface Journey {
  readonly world: World
  readonly skopeo: Skopeo
  readonly folder: string
  /** One sync round from its beginning to its end. */
  round(): Promise<RoundSummary>
}

export interface RoundSummary {
  readonly result: string
  readonly artifacts: number
  readonly bytes: number
  readonly removed: number
}

/** Of a journey in several parts: it takes as long as they do together. */
export const inParts = { timeout: 300_000 } as const
export const demoRepositories = ['hello-world', 'demo/app']

/** Undefined: there is no skopeo here, and the test is skipped. The first round has ended when it resolves. */
export async function startJourney(
  t: TestContext,
  { above, ...options }: Partial<WorldOptions> & { readonly above?: Above } = {}
): Promise<Journey | undefined> {
  if (!requireTool(t, 'skopeo')) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'journey-'))
  const ports = await somePorts()
  const world = await createWorld({ folder, ports, repositories: demoRepositories, ...options })
  t.after(async () => {
    await world.stop()
    await rm(folder, { recursive: true, force: true })
  })
  if (world.cloud) fillCloud(world.cloud.contents, { largeSize: 0 })
  await world.start()
  await settingsInForce(world, 2)
  const cloud = { name: 'admin', password: world.syncToken.password, host: world.cloud?.loginServer ?? '' }
  const skopeo = await createSkopeo(world, folder, above ?? cloud)
  const journey = { world, skopeo, folder, round: () => round(world) }
  await journey.round()
  return journey
}

async function somePorts(): Promise<WorldPorts> {
  const [cloud, cloudData, registry, proxy, hub] = (await freePorts(5)) as [number, number, number, number, number]
  return { cloud, cloudData, registry, proxy, hub }
}

/** Resolves when the module itself says that it goes by this version of its twin. */
export async function settingsInForce({ hub }: World, version: number): Promise<void> {
  const isInForce = (reported: object) =>
    (reported as { settings?: { version?: number } }).settings?.version === version
  await hub.reportedMatches('connected-registry', isInForce, AbortSignal.timeout(60_000))
}

/** The first call may join a round that began before what the test just did. */
async function round(world: World): Promise<RoundSummary> {
  await invoke(world, 'sync')
  return invoke(world, 'sync')
}

async function invoke(world: World, method: string): Promise<RoundSummary> {
  const { status, payload } = await world.invoke(method)
  if (status !== 200) throw new Error(`${method} answered ${status}: ${JSON.stringify(payload)}`)
  return payload as RoundSummary
}
