import { setTimeout as pause } from 'node:timers/promises'
import type { World } from '../../test/simulators/world.ts'

const firstSyncMs = 60_000

/** Waits until the first iteration ended, whatever came of it, and looks at what the site serves: tags by repository. */
export async function firstSync(
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

/** What the registry of this world answers to its client. */
export async function ask({ registryUrl, clientToken }: World, path: string): Promise<Record<string, unknown>> {
  const authorization = `Basic ${Buffer.from(`${clientToken.name}:${clientToken.password}`).toString('base64')}`
  const answer = await fetch(new URL(path, registryUrl), {
    headers: { authorization },
    signal: AbortSignal.timeout(5_000)
  })
  return (await answer.json()) as Record<string, unknown>
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
