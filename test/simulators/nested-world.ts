import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { passwordHash } from '../fixtures/password-hash.ts'
import { createCertificateAuthority } from './edge-hub/certificates.ts'
import {
  connectionString,
  createWorld,
  type NameAndPassword,
  type World,
  type WorldOptions,
  type WorldPorts
} from './world.ts'

/** A cloud and devices below each other, after `nested-edge/topology.json`: each reaches only the API proxy of the one above. */
export interface NestedWorld {
  /** From the cloud down; the first one has the cloud. */
  readonly layers: readonly [Layer, ...Layer[]]
  start(): Promise<void>
  stop(): Promise<void>
}

export interface Layer {
  readonly name: string
  readonly mode: 'ReadWrite' | 'ReadOnly'
  readonly world: World
}

export interface NestedWorldOptions {
  readonly folder: string
  /** Of the layers from the cloud down; the cloud's own are the first one's. */
  readonly ports: readonly WorldPorts[]
  /** Names of their devices; left out: all on the loopback. */
  readonly hosts?: readonly string[]
  readonly repositories: readonly string[]
  readonly clientToken?: NameAndPassword
  /** How long the messages for those below wait. */
  readonly messageTtl?: string
  /** Of all layers. */
  readonly logLevel?: string
  /** Where a layer reaches what is above it (`host:port`), such as a relay in between; left out: there itself. */
  readonly via?: (above: string) => Promise<string>
}

/** One layer, yet to be made; without an authority, which a layer elsewhere is given in its own way. */
export interface PlannedLayer extends Pick<Layer, 'name' | 'mode'> {
  readonly world: WorldOptions & { readonly syncToken: NameAndPassword; readonly clientToken: NameAndPassword }
}

const loopback = '127.0.0.1'
const everyAction = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
const topology = new URL('../../nested-edge/topology.json', import.meta.url)

/** Names and modes of the layers, from the cloud down. */
export function plannedLayers(): readonly Pick<Layer, 'name' | 'mode'>[] {
  return JSON.parse(readFileSync(topology, 'utf8')).layers
}

/**
 * The first layer is configured by its twin; those below know their connection string alone and take all else from above, client
 * tokens too.
 */
export function planNestedWorld(options: NestedWorldOptions): readonly [PlannedLayer, ...PlannedLayer[]] {
  const { folder, ports, hosts, repositories, messageTtl, logLevel } = options
  const { clientToken = { name: 'line-1', password: randomBytes(9).toString('base64url') } } = options
  const named = plannedLayers().map((layer) => ({
    ...layer,
    syncToken: { name: `${layer.name}-sync`, password: randomBytes(24).toString('base64') }
  }))

  function desiredOfFirst() {
    const actions = everyAction.map((action) => `repositories/*/${action}`)
    const clientTokens = [
      { name: clientToken.name, passwords: [{ hash: passwordHash(clientToken.password) }], actions }
    ]
    return { mode: named[0]!.mode, clientTokens, children: childrenFrom(1), ...(logLevel && { logLevel }) }
  }

  function childrenFrom(at: number): readonly object[] {
    const child = named[at]
    if (!child) return []
    const token = { name: child.syncToken.name, passwords: [{ hash: passwordHash(child.syncToken.password) }] }
    const own = { name: child.name, mode: child.mode, repositories, syncToken: token, clientTokens: [clientToken.name] }
    const more = { ...(messageTtl && { sync: { messageTtl } }), ...(logLevel && { logLevel }) }
    return [{ ...own, ...more, children: childrenFrom(at + 1) }]
  }

  function below(at: number) {
    const { name, syncToken } = named[at]!
    const parent = connectionString(syncToken, `$IOTEDGE_PARENTHOSTNAME:${ports[at - 1]!.proxy}`, 'https', name)
    return { parent, parentHost: hosts?.[at - 1] ?? loopback, isConfiguredAbove: true }
  }

  const [first, ...others] = named.map(({ name, mode, syncToken }, at): PlannedLayer => {
    const host = hosts?.[at]
    const own = {
      folder: join(folder, name),
      ...(host && { host }),
      ports: ports[at]!,
      deviceId: name,
      registryName: name
    }
    const more = at > 0 ? below(at) : { desired: desiredOfFirst() }
    return { name, mode, world: { ...own, repositories, syncToken, clientToken, ...more } }
  })
  if (!first) throw new Error(`${topology.pathname} names no layers`)
  return [first, ...others]
}

/** Each device has an authority of its own below one root, which all trust. */
export async function createNestedWorld(options: NestedWorldOptions): Promise<NestedWorld> {
  const root = await createCertificateAuthority('Plant root CA')
  const make = async ({ name, mode, world }: PlannedLayer, above?: PlannedLayer): Promise<Layer> => {
    const authority = await root.issueAuthority(`${name} CA`)
    const led = options.via && (await leadVia(options.via, { name, mode, world }, above))
    return { name, mode, world: await createWorld({ ...world, ...led, authority }) }
  }
  const [first, ...others] = planNestedWorld(options)
  const layers: [Layer, ...Layer[]] = [await make(first)]
  for (const [at, layer] of others.entries()) layers.push(await make(layer, [first, ...others][at]))
  return {
    layers,
    async start() {
      for (const { world } of layers) await world.start()
    },
    async stop() {
      for (const { world } of layers.toReversed()) await world.stop()
    }
  }
}

/** The same layer, which reaches what is above it elsewhere. */
async function leadVia(via: (above: string) => Promise<string>, { name, world }: PlannedLayer, above?: PlannedLayer) {
  // A relay leads to the login server only, so that all must come from there.
  const cloud = { redirectBlobs: false, isRealmAsked: true }
  if (above) {
    const endpoint = (await via(`${loopback}:${above.world.ports.proxy}`)).replace(loopback, '$IOTEDGE_PARENTHOSTNAME')
    return { cloud, parent: connectionString(world.syncToken, endpoint, 'https', name) }
  }
  const endpoint = await via(`${loopback}:${world.ports.cloud}`)
  return {
    cloud,
    desired: { ...world.desired, connectionString: connectionString(world.syncToken, endpoint, 'http', name) }
  }
}
