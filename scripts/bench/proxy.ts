import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { findTool } from '../../test/fixtures/tools.ts'
import { removeBlobs, sizeText } from './blobs.ts'
import { openConnection } from './connection.ts'
import { type Contender, startOurs } from './contenders.ts'
import { bestDoor, type Door, originalDoor, ourDoor, startDoors } from './doors.ts'
import type { Fact } from './fact.ts'
import type { Line, Scale } from './line.ts'
import { memoryOf } from './processes.ts'
import { pullByCurl, putByCurl, requestByWrk } from './programs.ts'
import {
  aBlob,
  anImage,
  type Blob,
  beginUpload,
  finishPath,
  manifestType,
  pushImage,
  type Target,
  targetOf
} from './registry-client.ts'
import type { Sample } from './report.ts'
import { type RoundsOptions, runRounds } from './rounds.ts'

const repository = 'bench/proxy'
const idleConnections = 500
const common = { group: 'proxy', between: [ourDoor, originalDoor], alsoBeside: bestDoor } as const

export interface ProxyFigures {
  readonly samples: readonly Sample[]
  readonly facts: readonly Fact[]
}

export interface ProxyOptions extends RoundsOptions {
  /** Folder for a CPU profile of our door. */
  readonly profile?: string | undefined
}

/**
 * What our door costs beside nginx, both before one registry and with TLS: a large blob down and up by curl, manifests by wrk,
 * and the memory of connections on which nothing happens. Throws where curl or wrk is not on the PATH.
 */
export async function measureProxy(folder: string, scale: Scale, options: ProxyOptions): Promise<ProxyFigures> {
  const missing = ['curl', 'wrk'].filter((tool) => !findTool(tool))
  if (missing.length > 0) throw new Error(`the group proxy needs ${missing.join(' and ')}`)
  const registry = await startOurs(join(folder, 'behind'))
  const stops = [registry.stop]
  try {
    const doors = await startDoors(join(folder, 'doors'), registry, options.profile)
    stops.push(...doors.map(({ stop }) => stop))
    const lines = await linesOf(registry, doors, scale, folder)
    const facts = await measureMemory(doors)
    return { samples: await runRounds(lines, doors, options), facts }
  } finally {
    await Promise.all(stops.map((stop) => stop()))
  }
}

async function linesOf(registry: Contender, doors: readonly Door[], scale: Scale, folder: string) {
  const image = anImage(aBlob(scale.largeBytes))
  await withTarget(registry, (target) => pushImage(target, image, 'latest'))
  const secureTargetOf = async (contender: Contender) => {
    const { port, authority } = doors.find(({ name }) => name === contender.name)!
    return { port, authority, authorization: await registry.authorize(repository) }
  }

  const pull: Line = {
    ...common,
    name: `blob GET ${sizeText(scale.largeBytes)}, TLS`,
    unit: 'MiB',
    target: { speed: 0.9, cpu: 1.2 },
    async round(contender) {
      const target = await secureTargetOf(contender)
      return () => pullByCurl(target, `/v2/${repository}/blobs/${image.layer.digest}`, 2)
    }
  }
  return [
    pull,
    pushLine(registry, scale, { folder, secureTargetOf }),
    ...requestLines(scale, { folder, secureTargetOf })
  ]
}

interface Parts {
  readonly folder: string
  readonly secureTargetOf: (contender: Contender) => Promise<Parameters<typeof putByCurl>[0]>
}

/** Each round pushes a blob that was never there. The session is begun beside the door, for it is no matter of bodies. */
function pushLine(registry: Contender, { largeBytes }: Scale, { folder, secureTargetOf }: Parts): Line {
  const file = join(folder, 'pushed')
  let blob: Blob | undefined
  return {
    ...common,
    name: `blob push ${sizeText(largeBytes)}, TLS`,
    unit: 'MiB',
    target: { speed: 0.9, cpu: 1.2 },
    written: largeBytes,
    async round(contender) {
      const pushed = aBlob(largeBytes)
      blob = pushed
      await writeFile(file, pushed.parts())
      const path = finishPath(await withTarget(registry, beginUpload), pushed)
      const target = await secureTargetOf(contender)
      return () => putByCurl(target, path, file)
    },
    async clean() {
      await rm(file)
      if (blob) await removeBlobs(registry.folder, [blob.digest])
    }
  }
}

function requestLines(scale: Scale, { folder, secureTargetOf }: Parts): readonly Line[] {
  return [32, 1].map((connections) => ({
    ...common,
    name: `manifest GET by tag, TLS, ${connections} connection${connections > 1 ? 's' : ''}`,
    unit: 'requests',
    target: { speed: 0.4 },
    async round(contender) {
      const target = await secureTargetOf(contender)
      const options = { connections, milliseconds: scale.requestMs * 2, accept: manifestType, folder }
      return () => requestByWrk(target, `/v2/${repository}/manifests/latest`, options)
    }
  }))
}

async function withTarget<T>(contender: Contender, work: (target: Target) => Promise<T>): Promise<T> {
  const connection = await openConnection(contender.port)
  return work(await targetOf(contender, connection, repository)).finally(() => connection.close())
}

/** Before anything else happened to them: at rest, and with connections that each had one request and wait for the next. */
async function measureMemory(doors: readonly Door[]): Promise<readonly Fact[]> {
  const atRest: Record<string, number> = {}
  const withMany: Record<string, number> = {}
  for (const door of doors) {
    atRest[door.name] = memoryOf(door.pid).now
    const agent = new Agent({ keepAlive: true, maxFreeSockets: idleConnections, ca: await readFile(door.authority) })
    await Promise.all(Array.from({ length: idleConnections }, () => getOnce(agent, door.port)))
    withMany[door.name] = memoryOf(door.pid).now
    agent.destroy()
  }
  return [
    { work: 'memory of the door, at rest', unit: 'MiB', values: atRest },
    { work: `  with ${idleConnections} open connections`, unit: 'MiB', values: withMany }
  ]
}

async function getOnce(agent: Agent, port: number): Promise<void> {
  const asked = request({ host: 'localhost', port, path: '/v2/', agent }).end()
  const [answer] = await once(asked, 'response')
  await once(answer.resume(), 'end')
}
