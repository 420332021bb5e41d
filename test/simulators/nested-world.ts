import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { passwordHash } from '../fixtures/password-hash.ts'
import { createCertificateAuthority } from './edge-hub/certificates.ts'
import { connectionString, createWorld, type NameAndPassword, type World, type WorldPorts } from './world.ts'

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
  readonly repositories: readonly string[]
  readonly clientToken?: NameAndPassword
  /** Where a layer reaches what is above it (`host:port`), such as a relay in between; left out: there itself. */
  readonly via?: (above: string) => Promise<string>
}

interface Planned {
  readonly name: string
  readonly mode: Layer['mode']
  readonly syncToken: NameAndPassword
}

const host = '127.0.0.1'
const everyAction = ['content/read', 'content/write', 'content/delete', 'metadata/read', 'metadata/write']
const topology = new URL('../../nested-edge/topology.json', import.meta.url)

/** Names and modes of the layers, from the cloud down. */
export function plannedLayers(): readonly Pick<Layer, 'name' | 'mode'>[] {
  return JSON.parse(readFileSync(topology, 'utf8')).layers
}

/**
 * The first layer is configured by its twin; those below know their connection string alone and take all else from above, client
 * tokens too. Each device has an authority of its own below one root, which all trust.
 */
export async function createNestedWorld(options: NestedWorldOptions): Promise<NestedWorld> {
  const { folder, ports, repositories, via = async (above) => above } = options
  const { clientToken = { name: 'line-1', password: randomBytes(9).toString('base64url') } } = options
  const root = await createCertificateAuthority('Plant root CA')
  const planned: readonly Planned[] = plannedLayers().map(({ name, mode }) => ({
    name,
    mode,
    syncToken: { name: `${name}-sync`, password: randomBytes(24).toString('base64') }
  }))
  const layers: Layer[] = []
  for (const [at, { name, mode, syncToken }] of planned.entries()) {
    const authority = await root.issueAuthority(`${name} CA`)
    const above = ports[at - 1]
    const world = await createWorld({
      ...{ folder: join(folder, name), ports: ports[at]!, repositories, authority, syncToken, clientToken },
      ...{ deviceId: name, registryName: name },
      // A relay leads to the login server only, so that all must come from there.
      ...(options.via && { cloud: { redirectBlobs: false, isRealmAsked: true } }),
      ...(above
        ? below(name, syncToken, (await via(`${host}:${above.proxy}`)).replace(host, '$IOTEDGE_PARENTHOSTNAME'))
        : { desired: { ...desiredOfFirst(), ...(options.via && (await connectedBy(name, syncToken, ports[at]!))) } })
    })
    layers.push({ name, mode, world })
  }

  async function connectedBy(name: string, syncToken: NameAndPassword, { cloud }: WorldPorts) {
    return { connectionString: connectionString(syncToken, await via(`${host}:${cloud}`), 'http', name) }
  }

  function desiredOfFirst() {
    const actions = everyAction.map((action) => `repositories/*/${action}`)
    const clientTokens = [
      { name: clientToken.name, passwords: [{ hash: passwordHash(clientToken.password) }], actions }
    ]
    return { mode: planned[0]!.mode, clientTokens, children: childrenFrom(1) }
  }

  function childrenFrom(at: number): readonly object[] {
    const child = planned[at]
    if (!child) return []
    const { name, mode, syncToken } = child
    const token = { name: syncToken.name, passwords: [{ hash: passwordHash(syncToken.password) }] }
    const clientTokens = [clientToken.name]
    return [{ name, mode, repositories, syncToken: token, clientTokens, children: childrenFrom(at + 1) }]
  }

  const [first, ...others] = layers
  if (!first) throw new Error(`${topology.pathname} names no layers`)
  return {
    layers: [first, ...others],
    async start() {
      for (const { world } of layers) await world.start()
    },
    async stop() {
      for (const { world } of layers.toReversed()) await world.stop()
    }
  }
}

function below(name: string, syncToken: NameAndPassword, above: string) {
  const parent = connectionString(syncToken, above, 'https', name)
  return { parent, parentHost: host, isConfiguredAbove: true }
}
