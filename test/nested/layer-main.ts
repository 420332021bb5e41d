import { on, once } from 'node:events'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { anImage, type ImageOptions } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { loadCertificateAuthority, type SavedAuthority } from '../simulators/edge-hub/certificates.ts'
import { createModuleProcess, type LogLine, type ModuleProcessOptions } from '../simulators/module-process.ts'
import type { PlannedLayer } from '../simulators/nested-world.ts'
import { createWorld, type World } from '../simulators/world.ts'
import { serve } from './program.ts'
import { type Content, createSiteClient, type SiteClient } from './site-content.ts'

// One device, in a namespace of its own: edgeHub, the workload API, both modules, and a client at its door.

export type Tags = Readonly<Record<string, string>>

export interface LayerStatus {
  readonly connectionState: string
  readonly version: string
  readonly statusDetails: readonly { readonly code: string; readonly description: string }[]
  readonly children?: readonly ChildStatus[]
}

export interface ChildStatus {
  readonly name: string
  readonly connectionState: string
  readonly report?: { readonly version: string; readonly children?: readonly ChildStatus[] }
}

export interface LayerCommands {
  start(world: PlannedLayer['world'], authority: SavedAuthority): Promise<void>
  /** The connected registry alone. Left out: as the runtime stops it. */
  stopRegistry(signal?: NodeJS.Signals): Promise<void>
  startRegistry(): Promise<void>
  restartRegistry(): Promise<void>
  /** Another release of the connected registry, from the next start on. */
  upgrade(version: string): Promise<void>
  invoke(method: string, payload?: object): Promise<{ readonly status: number; readonly payload?: unknown }>
  /** The digest. */
  push(repository: string, tag: string, image: ImageOptions): Promise<string>
  /** Throws unless it answers 202. */
  remove(path: string): Promise<void>
  /** The status of an answer to a client. */
  ask(method: string, path: string): Promise<number>
  tags(repository: string): Promise<Tags>
  content(repositories: readonly string[]): Promise<Content>
  status(): Promise<LayerStatus>
  /** Resolves when the repository has these tags and no others; looked at whenever the registry logs anything. */
  untilTags(repository: string, expected: Tags, patienceMs: number): Promise<void>
  /** The same of what is said in the status. */
  untilDetail(code: string, isThere: boolean, patienceMs: number): Promise<void>
  untilFollowing(patienceMs: number): Promise<void>
  /** The same of the version of the layer at the end of these names, from this one down. */
  untilVersion(below: readonly string[], version: string, patienceMs: number): Promise<void>
  /** The first line, past or to come, that has all of this. */
  untilLogged(fields: Readonly<Record<string, unknown>>, patienceMs: number): Promise<LogLine>
  /** Lines so far that have all of this. */
  logged(fields: Readonly<Record<string, unknown>>): Promise<readonly LogLine[]>
  /** What a connection to another place fails with; undefined: it is made. */
  refusal(address: string, port: number): Promise<string | undefined>
}

interface Device {
  readonly world: World
  readonly client: SiteClient
  readonly folder: string
  /** A link to the folder of the programs in use. */
  readonly programs: string
}

const root = fileURLToPath(new URL('../../', import.meta.url))
let device: Device | undefined

function running(): Device {
  if (!device) throw new Error('the layer was not started')
  return device
}

const commands: LayerCommands = {
  async start(planned, saved) {
    const { folder } = planned
    const programs = join(folder, 'programs')
    await mkdir(folder, { recursive: true })
    await symlink(root, programs)
    const authority = await loadCertificateAuthority(saved)
    const module = ({ main, ...options }: ModuleProcessOptions) =>
      createModuleProcess({ ...options, main: pathToFileURL(join(programs, relative(root, fileURLToPath(main)))) })
    const world = await createWorld({ ...planned, authority, module })
    device = { world, client: createSiteClient(world.proxyUrl, planned.clientToken), folder, programs }
    await world.start()
  },
  async stopRegistry(signal) {
    await running().world.registry.stop(signal)
  },
  startRegistry: () => running().world.registry.start(),
  restartRegistry: () => running().world.registry.restart(),
  async upgrade(version) {
    const { folder, programs } = running()
    const upgraded = join(folder, `programs-${version}`)
    const module = join('modules', 'connected-registry')
    await mkdir(join(upgraded, 'modules'), { recursive: true })
    for (const same of ['node_modules', join('modules', 'api-proxy')])
      await symlink(join(root, same), join(upgraded, same))
    await cp(join(root, module), join(upgraded, module), { recursive: true })
    const description = join(upgraded, module, 'package.json')
    await writeFile(description, JSON.stringify({ ...JSON.parse(await readFile(description, 'utf8')), version }))
    await symlink(upgraded, `${programs}.new`)
    await rename(`${programs}.new`, programs)
  },
  invoke: (method, payload) =>
    running().world.hub.invoke('connected-registry', method, (payload ?? {}) as Record<string, never>, 30_000),
  async push(repository, tag, options) {
    const { url, authorization } = running().client
    const image = anImage(options)
    await pushImage(image, { url, repository, tag, authorization })
    return image.manifest.descriptor.digest
  },
  async remove(path) {
    const { status } = await running().client.send('DELETE', path)
    if (status !== 202) throw new Error(`DELETE ${path} answered ${status}`)
  },
  ask: async (method, path) => (await running().client.send(method, path)).status,
  tags: (repository) => running().client.tags(repository),
  content: (repositories) => running().client.content(repositories),
  status,
  untilTags: (repository, expected, patienceMs) =>
    until(patienceMs, async () => {
      const found = await running().client.tags(repository)
      return isDeepStrictEqual(found, expected) || `${repository} has ${JSON.stringify(found)}`
    }),
  untilDetail: (code, isThere, patienceMs) =>
    until(patienceMs, async () => {
      const codes = (await status()).statusDetails.map((detail) => detail.code)
      return codes.includes(code) === isThere || `the status says ${codes.join(', ')}`
    }),
  untilFollowing: (patienceMs) =>
    until(patienceMs, async () => {
      const last = running().world.registry.lines.findLast(({ msg }) => msg === 'feed of the parent')
      return last?.following === true || 'the feed is not followed'
    }),
  untilVersion: (below, version, patienceMs) =>
    until(patienceMs, async () => {
      const found = versionBelow((await status()).children, below)
      return found === version || `${below.at(-1)} is of version ${found}`
    }),
  untilLogged: (fields, patienceMs) =>
    running().world.registry.line((line) => hasAll(line, fields), AbortSignal.timeout(patienceMs)),
  logged: async (fields) => running().world.registry.lines.filter((line) => hasAll(line, fields)),
  async refusal(address, port) {
    const socket = connect({ host: address, port, timeout: 2000 })
    const timedOut = once(socket, 'timeout').then(() => 'ETIMEDOUT')
    const made = once(socket, 'connect').then(() => undefined)
    try {
      return await Promise.race([made, timedOut])
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    } finally {
      socket.destroy()
    }
  }
}

function hasAll(line: LogLine, fields: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(fields).every(([field, value]) => isDeepStrictEqual(line[field], value))
}

async function status(): Promise<LayerStatus> {
  const { world, client } = running()
  // The door leads nobody there.
  const answer = await client.send('GET', new URL('/status', world.registryUrl).href)
  if (!answer.ok) throw new Error(`GET /status answered ${answer.status}`)
  return JSON.parse(await answer.text()) as LayerStatus
}

/** `isSo`: true, or what is so instead. What throws counts as that: a registry may be stopped, or not know its clients yet. */
async function until(patienceMs: number, isSo: () => Promise<true | string>): Promise<void> {
  const { registry } = running().world
  const signal = AbortSignal.timeout(patienceMs)
  for (;;) {
    const nextLine = lineOfItsOwn(registry.events, signal)
    nextLine.catch(() => undefined)
    const found = await isSo().catch((error: unknown) => String(error))
    if (found === true) return
    await nextLine.catch(() => {
      throw new Error(`after ${patienceMs} ms ${found}`)
    })
  }
}

/** Not one about a client that looks: looking is logged, too. */
async function lineOfItsOwn(events: World['registry']['events'], signal: AbortSignal): Promise<void> {
  for await (const [{ msg, method }] of on(events, 'line', { signal })) {
    const isLook = msg === 'login refused' || method === 'GET' || method === 'HEAD'
    if (!isLook) return
  }
}

function versionBelow(children: readonly ChildStatus[] = [], [name, ...below]: readonly string[]): string | undefined {
  const report = children.find((child) => child.name === name)?.report
  return below.length > 0 ? versionBelow(report?.children, below) : report?.version
}

serve({ ...commands }, async () => {
  await device?.world.stop()
})
