import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type ForeignRegistry, startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import type { LogLine, ModuleProcess } from '../../test/simulators/module-process.ts'
import { connectionString } from '../../test/simulators/world.ts'
import { createOurModule } from './our-module.ts'
import { cpuSeconds, memoryOf } from './processes.ts'
import { settle } from './rounds.ts'

export const skopeo = 'skopeo'
const roundMs = 600_000
const run = promisify(execFile)

export interface Copied {
  readonly seconds: number
  /** Of the reader and its store. */
  readonly cpu: number
}

/** What skopeo is told: a command with its options, from where, and to where below its target. */
export interface CopyOrder {
  readonly command: readonly string[]
  readonly from: readonly string[]
  readonly to: string
}

/** By skopeo, into a docker-registry of its own that is empty. */
export async function copied(order: CopyOrder): Promise<Copied> {
  const target = await startForeignRegistry()
  try {
    return await copiedInto(target, order)
  } finally {
    await target.stop()
  }
}

export async function copiedInto(target: ForeignRegistry, { command, from, to }: CopyOrder): Promise<Copied> {
  const [before, startedAt] = [cpuSeconds(target.pid), performance.now()]
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
  const destination = command[0] === 'copy' ? `docker://${target.host}/${to}` : `${target.host}/${to}`
  const words = [...command, ...insecure, ...from, destination]
  const { stdout } = await run('sh', ['-c', 'skopeo "$@" >/dev/null; times', 'sh', ...words])
  const seconds = (performance.now() - startedAt) / 1000
  return { seconds, cpu: childTimes(stdout) + cpuSeconds(target.pid) - before }
}

/** `times` of the shell (POSIX): user and system time of its own, then of its children. */
function childTimes(text: string): number {
  const times = text.trim().split('\n').at(-1)?.split(/\s+/) ?? []
  return times.reduce((sum, time) => {
    const [, minutes = 0, seconds = 0] = /^(\d+)m([\d.]+)s$/.exec(time) ?? []
    return sum + Number(minutes) * 60 + Number(seconds)
  }, 0)
}

export interface SyncPlace {
  /** A folder of its own. */
  readonly place: string
  /** `host:port` of the parent, or of the link to it. */
  readonly parent: string
  readonly repositories: readonly string[]
}

/** By this registry, with an empty store: its first round. */
export async function synced(at: SyncPlace): Promise<Copied & { readonly peak: number }> {
  const module = await startModule(at)
  try {
    await module.start()
    const [before, startedAt] = [cpuSeconds(module.pid ?? 0), performance.now()]
    await firstRound(module)
    const seconds = (performance.now() - startedAt) / 1000
    return { seconds, cpu: cpuSeconds(module.pid ?? 0) - before, peak: memoryOf(module.pid ?? 0).peak }
  } finally {
    await module.stop()
    await rm(at.place, { recursive: true, force: true })
  }
}

export async function firstRound(module: ModuleProcess): Promise<void> {
  const ended = await module.line(({ msg }) => msg === 'iteration ended', AbortSignal.timeout(roundMs))
  if (ended.result !== 'Succeeded') throw new Error(`the round ended with ${ended.result}: ${reasonsOf(module)}`)
}

function reasonsOf({ lines }: ModuleProcess): string {
  return lines.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : [])).join('; ')
}

/** The next round that ends and has brought so many images at least, with what it said. */
export async function nextRound(
  module: ModuleProcess,
  artifacts = 0
): Promise<Readonly<{ ended: LogLine; lines: readonly LogLine[] }>> {
  const known = new Set(module.lines)
  const isEnd = ({ msg }: LogLine) => msg === 'iteration ended'
  const isEnough = (each: LogLine) => each.result !== 'Succeeded' || Number(each.artifacts) >= artifacts
  const isWanted = (each: LogLine) => isEnd(each) && !known.has(each) && isEnough(each)
  const ended = await module.line(isWanted, AbortSignal.timeout(roundMs))
  if (ended.result !== 'Succeeded') throw new Error(`the round ended with ${ended.result}: ${reasonsOf(module)}`)
  const upTo = module.lines.slice(0, module.lines.indexOf(ended))
  return { ended, lines: upTo.slice(upTo.findLastIndex(isEnd) + 1) }
}

export interface ModuleSettings extends SyncPlace {
  /** Where it is asked; a free one where left out. */
  readonly port?: number
  /** Beside the repositories. */
  readonly more?: object
}

/** With an empty store, and the folder to itself. */
export async function startModule(options: ModuleSettings): Promise<ModuleProcess> {
  const { place, parent, port, repositories, more } = options
  await rm(place, { recursive: true, force: true })
  const { module } = await createOurModule({
    folder: place,
    settings: { repositories, ...more },
    port,
    environment: { ACR_REGISTRY_CONNECTION_STRING: connectionString({ name: 'site-sync', password: 'bench' }, parent) }
  })
  return module
}

/** In turns: who comes second finds the machine as the first one left it. `bytes`: what each writes. */
export async function inTurns<A, B>(
  { place, bytes, round }: { readonly place: string; readonly bytes: number; readonly round: number },
  one: () => Promise<A>,
  other: () => Promise<B>
): Promise<readonly [A, B]> {
  await mkdir(place, { recursive: true })
  await settle(place, bytes)
  if (round % 2 === 0) {
    const first = await one()
    await settle(place, bytes)
    return [first, await other()]
  }
  const second = await other()
  await settle(place, bytes)
  return [await one(), second]
}
