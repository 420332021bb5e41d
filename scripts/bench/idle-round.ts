import { join } from 'node:path'
import { anImage } from '../../test/fixtures/image-builder.ts'
import { type CloudRegistry, createCloudRegistry } from '../../test/simulators/cloud-registry/cloud-registry.ts'
import type { ModuleProcess } from '../../test/simulators/module-process.ts'
import { connectionString } from '../../test/simulators/world.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { createOurModule } from './our-module.ts'
import { cpuSeconds } from './processes.ts'

const syncToken = { name: 'site-sync', password: 'bench' }
/** What a round may cost beside a request for each repository: tokens, the catalog. */
const extraRequests = 10
const roundMs = 600_000

/** A round over repositories that agree already, as it comes every minute: what it asks of an ACR-like parent, and computes. */
export async function measureIdleRound(folder: string, { idle }: Scale): Promise<readonly Fact[]> {
  const cloud = await filledCloud(idle)
  const module = await startModule(join(folder, 'idle-round'), cloud)
  try {
    await module.start()
    const { artifacts } = await nextRound(module)
    if (artifacts === 0) throw new Error('the first round brought nothing')
    const repositories = cloud.contents.repositories().length
    cloud.clearRequests()
    const before = cpuSeconds(module.pid ?? 0)
    const { startedAt, endedAt } = await nextRound(module)
    const work = `idle round, ${repositories} repositories of ${idle.tags} tags`
    const cpu = (cpuSeconds(module.pid ?? 0) - before) * 1000
    return [
      { work, unit: 'requests', values: { [ours]: cloud.requests.length }, limit: repositories + extraRequests },
      { work: '  of it computing, the wait for it included', unit: 'ms', values: { [ours]: cpu } },
      { work: '  from its first request to its end', unit: 'ms', values: { [ours]: endedAt - startedAt } }
    ]
  } finally {
    await module.stop()
    await cloud.stop()
  }
}

async function filledCloud({ repositories, tags }: Scale['idle']): Promise<CloudRegistry> {
  const actions = ['repositories/*/content/read', 'repositories/*/metadata/read']
  const cloud = createCloudRegistry({ tokens: [{ ...syncToken, actions }] })
  await cloud.start()
  const image = anImage({ seed: 'idle' })
  for (let repository = 0; repository < repositories; repository++) {
    const name = `bench/idle-${repository}`
    cloud.contents.put(name, image)
    for (let tag = 0; tag < tags; tag++) cloud.contents.tag(name, `1.${tag}`, image.manifest.descriptor.digest)
  }
  return cloud
}

async function startModule(folder: string, cloud: CloudRegistry): Promise<ModuleProcess> {
  const { module } = await createOurModule({
    folder,
    settings: { repositories: cloud.contents.repositories(), logLevel: 'Debug' },
    environment: { ACR_REGISTRY_CONNECTION_STRING: connectionString(syncToken, cloud.loginServer) }
  })
  return module
}

interface Round {
  readonly artifacts: number
  readonly startedAt: number
  readonly endedAt: number
}

/** The next one that ends. */
async function nextRound({ lines, line }: ModuleProcess): Promise<Round> {
  const known = new Set(lines)
  const isNext = (each: (typeof lines)[number]) => each.msg === 'iteration ended' && !known.has(each)
  const ended = await line(isNext, AbortSignal.timeout(roundMs))
  const first = lines.find((each) => each.msg === 'parent answered' && !known.has(each))
  if (ended.result !== 'Succeeded') throw new Error(`the round ended with ${ended.result}`)
  return { artifacts: Number(ended.artifacts), startedAt: timeOf(first), endedAt: timeOf(ended) }
}

function timeOf(line: Readonly<Record<string, unknown>> | undefined): number {
  const time = line?.time
  return typeof time === 'number' ? time : Date.parse(String(time))
}
