import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { type PlannedLayer, planNestedWorld, plannedLayers } from '../simulators/nested-world.ts'
import { cloudTokens, connectionString } from '../simulators/world.ts'
import type { CloudCommands } from './cloud-main.ts'
import type { LayerCommands, Tags } from './layer-main.ts'
import { createNetwork, type Link, type Network, type Place, skipWithoutNamespaces } from './network.ts'
import { type Program, startProgram } from './program.ts'
import type { LineOptions } from './relay.ts'

/** A cloud and the layers below it, each in a network namespace with a link to the one above. */
export interface Plant {
  readonly cloud: Program<CloudCommands>
  /** From the cloud down. */
  readonly layers: readonly [PlantLayer, PlantLayer, PlantLayer]
  readonly network: Network
  /** Another device with the name of the bottom layer and a link of its own to the layer above. */
  startTwin(): Promise<PlantLayer>
  /** Resolves when the cloud and all layers have these tags in a repository, and no others. */
  untilTags(repository: string, expected: Tags): Promise<void>
  /** All layers hold what the cloud holds, digest by digest; stops the registries, and each store is whole. */
  agrees(): Promise<void>
}

export interface PlantLayer extends Program<LayerCommands> {
  readonly name: string
  /** To the place above. */
  readonly above: Link
  readonly dataVolume: string
}

export interface PlantOptions {
  readonly link?: LineOptions
  /** How long messages wait for those below. */
  readonly messageTtl?: string
}

export const repositories = ['hello-world', 'demo/app', 'plant/line']

const domain = 'plant.example'
// Each place has all ports for itself, so that they are those of a device.
const ports = { cloud: 5000, cloudData: 5001, registry: 8080, proxy: 8000, hub: 8883 }
const twin = 'twin'
/** Longer than the longest pause after failures, 60 s, with a retry. */
export const patienceMs = 150_000

/** Undefined: there are no namespaces here, and the test is skipped. Every layer holds what the cloud held when it resolves. */
export async function startPlant(t: TestContext, { link, messageTtl }: PlantOptions = {}): Promise<Plant | undefined> {
  const reason = await skipWithoutNamespaces()
  if (reason !== false) return void t.skip(reason)
  const folder = await mkdtemp(join(tmpdir(), 'plant-'))
  const programs: Program<object>[] = []
  const names = plannedLayers().map(({ name }) => name)
  const network = await createNetwork(placesFor(names, link))
  t.after(async () => {
    await Promise.all(programs.toReversed().map((program) => program.end()))
    await network.remove()
    await rm(folder, { recursive: true, force: true })
  })

  const root = await createCertificateAuthority('Plant root CA')
  const rootFile = join(folder, 'root.pem')
  await writeFile(rootFile, root.trustBundle)
  const hosts = names.map(hostOf)
  // Every request that a registry answers may be what somebody waits for.
  const more = { messageTtl, logLevel: 'Debug' }
  const plan = planNestedWorld({ folder, ports: names.map(() => ports), hosts, repositories, ...more })
  const [first] = plan
  const cloud = start<CloudCommands>('cloud', new URL('./cloud-main.ts', import.meta.url))
  const { syncToken } = first.world
  const tokens = cloudTokens(syncToken, repositories, first.mode)
  await cloud.start({ host: hostOf('cloud'), loginPort: ports.cloud, dataPort: ports.cloudData, tokens })
  const parent = connectionString(syncToken, `${hostOf('cloud')}:${ports.cloud}`, 'http', first.name)

  function start<C>(place: string, main: URL): Program<C> {
    const environment = { NODE_EXTRA_CA_CERTS: rootFile }
    const program = startProgram<C>(main, { namespace: network.namespace(place), environment })
    programs.push(program)
    return program
  }

  async function startLayer(place: string, { name, world }: PlannedLayer): Promise<PlantLayer> {
    const program = start<LayerCommands>(place, new URL('./layer-main.ts', import.meta.url))
    const own = { ...world, folder: join(folder, place), host: hostOf(place), ...(name === first.name && { parent }) }
    await program.start(own, await (await root.issueAuthority(`${place} CA`)).save())
    return Object.assign(program, { name, above: network.link(place), dataVolume: join(own.folder, 'data') })
  }

  // From the top down, as an operator deploys them.
  const layers: PlantLayer[] = []
  for (const planned of plan) {
    const layer = await startLayer(planned.name, planned)
    for (const repository of repositories) {
      await layer.untilTags(repository, await cloud.tags(repository), patienceMs)
    }
    if (planned !== first) await layer.untilFollowing(patienceMs)
    layers.push(layer)
  }

  return {
    cloud,
    layers: layers as [PlantLayer, PlantLayer, PlantLayer],
    network,
    startTwin: () => startLayer(twin, plan.at(-1)!),
    async untilTags(repository, expected) {
      for (const layer of layers) await layer.untilTags(repository, expected, patienceMs)
      // The cloud is no gateway: what comes up is sent there with the next round, and that is once a minute.
      await layers[0]?.invoke('sync')
      await cloud.untilTags(repository, expected, patienceMs)
    },
    async agrees() {
      const content = await cloud.content(repositories)
      for (const layer of layers) assert.deepEqual(await layer.content(repositories), content, layer.name)
      for (const layer of layers) await stopWhole(layer)
    }
  }
}

/** Stops the registry; its store is whole. */
export async function stopWhole({ name, stopRegistry, dataVolume }: PlantLayer): Promise<void> {
  await stopRegistry()
  const { problems } = await fsck(dataVolume, { content: true })
  assert.deepEqual(problems, [], `fsck of ${name}`)
}

function hostOf(place: string): string {
  return `${place}.${domain}`
}

/** The first layer reaches the cloud, all others nothing but the door of the layer above. */
function placesFor(names: readonly string[], link: LineOptions = {}): readonly Place[] {
  const below = (name: string, above: string | undefined): Place => ({
    ...{ name, host: hostOf(name), above: above ?? 'cloud', link },
    ports: above ? [ports.proxy] : [ports.cloud, ports.cloudData]
  })
  return [
    { name: 'cloud', host: hostOf('cloud') },
    ...names.map((name, at) => below(name, names[at - 1])),
    below(twin, names.at(-2))
  ]
}
