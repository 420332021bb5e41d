import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ForeignRegistry, startForeignRegistry } from '../../test/fixtures/foreign-registry.ts'
import { anImage, type BuiltImage } from '../../test/fixtures/image-builder.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { pushImage } from '../../test/fixtures/push-image.ts'
import { createModuleProcess, type ModuleProcess } from '../../test/simulators/module-process.ts'
import { connectionString } from '../../test/simulators/world.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { cpuSeconds, memoryOf } from './processes.ts'
import { openSlowLink, type SlowLinkOptions } from './slow-link.ts'

const skopeo = 'skopeo'
const repository = 'bench/sync'
const layers = 20
const smallImages = 20
const roundMs = 600_000
const run = promisify(execFile)
const longLink: SlowLinkOptions = { roundTripMs: 50 }
const thinLink = { roundTripMs: 100, bitsPerSecond: 20_000_000 }

/** From docker-registry into an empty store: by this registry's first round, and by skopeo into another docker-registry. */
export async function measureSync(folder: string, { largeBytes }: Scale): Promise<readonly Fact[]> {
  const parent = await startForeignRegistry()
  const place = join(folder, 'sync')
  try {
    const facts: Fact[] = []
    const layerSize = Math.floor(largeBytes / layers)
    await push(parent, anImage({ seed: 'sync', layers, layerSize }), 'latest')
    const size = `${Math.round(largeBytes / 2 ** 20)} MiB in ${layers} layers`
    facts.push(...(await compare(`sync of ${size}`, { parent, place, wall: 0.5, cpu: 0.4 })))
    facts.push(...(await compare(`sync of ${size}, 50 ms`, { parent, place, link: longLink, wall: 0.5 })))
    facts.push(...(await compareSmall(place)))
    facts.push(await payload(place, Math.floor(largeBytes / 10)))
    return facts
  } finally {
    await parent.stop()
    await rm(place, { recursive: true, force: true })
  }
}

interface Comparison {
  readonly parent: ForeignRegistry
  readonly place: string
  readonly link?: SlowLinkOptions
  /** At the most so many times what skopeo takes. */
  readonly wall: number
  readonly cpu?: number
}

async function compare(work: string, { parent, place, link, wall, cpu }: Comparison): Promise<readonly Fact[]> {
  const line = link && (await openSlowLink(parent.host, link))
  const from = line?.host ?? parent.host
  try {
    const theirs = await copied(['copy', '--all'], [`docker://${from}/${repository}:latest`], `${repository}:latest`)
    const own = await synced(place, from, [repository])
    return [
      { work, unit: 's', values: { [ours]: own.seconds, [skopeo]: theirs.seconds }, limit: theirs.seconds * wall },
      {
        work: '  CPU of the reader and its store',
        unit: 's',
        values: { [ours]: own.cpu, [skopeo]: theirs.cpu },
        ...(cpu && { limit: theirs.cpu * cpu })
      },
      { work: '  most memory held', unit: 'MiB', values: { [ours]: own.peak }, limit: 200 }
    ]
  } finally {
    line?.close()
  }
}

async function compareSmall(place: string): Promise<readonly Fact[]> {
  const parent = await startForeignRegistry()
  for (let index = 0; index < smallImages; index++) {
    await push(parent, anImage({ seed: `small ${index}`, layers: 1, layerSize: 20_000 }), `v${index}`)
  }
  const line = await openSlowLink(parent.host, longLink)
  try {
    const from = ['--src', 'docker', '--dest', 'docker', `${line.host}/${repository}`]
    const theirs = await copied(['sync', '--all'], from, 'bench')
    const own = await synced(place, line.host, [repository])
    const values = { [ours]: own.seconds, [skopeo]: theirs.seconds }
    return [{ work: `sync of ${smallImages} small images, 50 ms`, unit: 's', values, limit: theirs.seconds * 0.1 }]
  } finally {
    line.close()
    await parent.stop()
  }
}

/** How much of a thin line is content. */
async function payload(place: string, bytes: number): Promise<Fact> {
  const parent = await startForeignRegistry()
  const line = await openSlowLink(parent.host, thinLink)
  try {
    await push(parent, anImage({ seed: 'thin', layers: 4, layerSize: Math.floor(bytes / 4) }), 'latest')
    const { seconds } = await synced(place, line.host, [repository])
    const ideal = (bytes * 8) / thinLink.bitsPerSecond
    const work = `sync of ${Math.round(bytes / 1e6)} MB over 20 Mbit/s, 100 ms, against the line alone`
    return { work, unit: 'times', values: { [ours]: seconds / ideal }, limit: 1 / 0.9 }
  } finally {
    line.close()
    await parent.stop()
  }
}

async function push({ url }: ForeignRegistry, image: BuiltImage, tag: string): Promise<void> {
  await pushImage(image, { url, repository, tag })
}

/** By skopeo, into a docker-registry of its own that is empty. */
async function copied(command: readonly string[], from: readonly string[], to: string) {
  const target = await startForeignRegistry()
  try {
    return await copiedInto(target, command, from, to)
  } finally {
    await target.stop()
  }
}

export async function copiedInto(
  target: ForeignRegistry,
  command: readonly string[],
  from: readonly string[],
  to: string
) {
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

/** By this registry, with an empty store: its first round. */
async function synced(place: string, parent: string, repositories: readonly string[]) {
  await rm(place, { recursive: true, force: true })
  const module = await startModule(place, parent, repositories)
  try {
    await module.start()
    const [before, startedAt] = [cpuSeconds(module.pid ?? 0), performance.now()]
    const ended = await module.line(({ msg }) => msg === 'iteration ended', AbortSignal.timeout(roundMs))
    const seconds = (performance.now() - startedAt) / 1000
    if (ended.result !== 'Succeeded') throw new Error(`the round ended with ${ended.result}: ${reasonsOf(module)}`)
    return { seconds, cpu: cpuSeconds(module.pid ?? 0) - before, peak: memoryOf(module.pid ?? 0).peak }
  } finally {
    await module.stop()
  }
}

function reasonsOf({ lines }: ModuleProcess): string {
  return lines.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : [])).join('; ')
}

export async function startModule(
  place: string,
  parent: string,
  repositories: readonly string[],
  logLevel = 'Information'
): Promise<ModuleProcess> {
  const [port = 0] = await freePorts(1)
  await mkdir(place, { recursive: true })
  const settings = join(place, 'settings.json')
  await writeFile(settings, JSON.stringify({ repositories, logLevel }))
  return createModuleProcess({
    name: ours,
    main: new URL('../../modules/connected-registry/src/main.ts', import.meta.url),
    environment: {
      ACR_REGISTRY_HOST: '127.0.0.1',
      ACR_REGISTRY_PORT: String(port),
      ACR_REGISTRY_DATA_VOLUME: join(place, 'data'),
      ACR_REGISTRY_SETTINGS: settings,
      ACR_REGISTRY_CONNECTION_STRING: connectionString({ name: 'site-sync', password: 'bench' }, parent),
      NODE_ENV: 'production'
    },
    ready: 'registry started'
  })
}
