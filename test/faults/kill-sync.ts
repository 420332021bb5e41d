import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { aProcess } from '../connected-registry/module-under-test.ts'
import { temporaryFolder } from '../connected-registry/storage/temporary-folder.ts'
import { connectionTo, openCloud, syncToken } from '../connected-registry/sync/parents.ts'
import { anImage, anIndex, aReferrer } from '../fixtures/image-builder.ts'
import type { CloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import type { ModuleProcess } from '../simulators/module-process.ts'
import { connectionString } from '../simulators/world.ts'
import { assertRecovery, assertSound, openDurableSite } from './durable-site.ts'

const repositories = ['plant/a', 'plant/b']
/** About as many as a turn takes: a kill comes amid them, or after them. */
const requestsOfTurn = 25

/** The real module, killed at random moments of its syncs; what it left is examined each time, and completed at the end. */
export async function killSyncs(t: TestContext, kills: number): Promise<void> {
  const { cloud } = await openCloud(t, 'acr', repositories)
  const dataVolume = await temporaryFolder()
  const { module } = await aProcess(t, {
    ACR_REGISTRY_DATA_VOLUME: dataVolume,
    ACR_REGISTRY_CONNECTION_STRING: connectionString(syncToken, cloud.loginServer),
    ACR_REGISTRY_REPOSITORIES: repositories.join(',')
  })
  let amid = 0
  for (let turn = 0; turn < kills; turn++) {
    change(cloud, turn)
    if (await killAfter(randomInt(1, requestsOfTurn), module, cloud, t.signal)) amid++
    await assertSound({ dataVolume })
  }
  t.diagnostic(`${amid} of ${kills} kills came amid a sync`)
  const connection = connectionTo(cloud.loginServer)
  await assertRecovery(await openDurableSite(t, connection, repositories, { dataVolume }), cloud)
}

/** Something new above, each turn. */
function change({ contents }: CloudRegistry, turn: number): void {
  const image = anImage({ seed: `turn ${turn}`, layers: 3, layerSize: 100_000 })
  const index = anIndex([image, anImage({ seed: `other ${turn}` })])
  contents.put('plant/a', index, `1.${turn}`)
  contents.put('plant/b', image, 'latest')
  contents.put('plant/a', aReferrer(index, { artifactType: 'application/vnd.example.signature' }))
}

/** True: its sync had not ended. */
async function killAfter(
  requests: number,
  module: ModuleProcess,
  cloud: CloudRegistry,
  signal: AbortSignal
): Promise<boolean> {
  const from = module.lines.length
  const over = new AbortController()
  const waiting = AbortSignal.any([signal, over.signal])
  const asked = count(requests, cloud, waiting).then(() => true)
  const ended = lineFrom(module, from, waiting).then(() => false)
  const settled = Promise.allSettled([asked, ended])
  try {
    await module.start()
    return await Promise.race([asked, ended])
  } finally {
    await module.stop('SIGKILL')
    over.abort()
    await settled
  }
}

async function count(requests: number, cloud: CloudRegistry, signal: AbortSignal): Promise<void> {
  for (let each = 0; each < requests; each++) await cloud.nextRequest({}, signal)
}

async function lineFrom(module: ModuleProcess, from: number, signal: AbortSignal): Promise<void> {
  const before = new Set(module.lines.slice(0, from))
  await module.line((line) => line.msg === 'iteration ended' && !before.has(line), signal)
}
