import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setInterval as every } from 'node:timers/promises'
import { demoApp, helloWorld } from '../fixtures/demo-images.ts'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { freePorts } from '../fixtures/ports.ts'
import { requireTool } from '../fixtures/tools.ts'
import { createNestedWorld, type Layer, plannedLayers } from '../simulators/nested-world.ts'
import { demoRepositories } from './journey.ts'
import { createSkopeo } from './skopeo.ts'

const patience = () => AbortSignal.timeout(60_000)
const digest = demoApp().manifest.descriptor.digest

/** Cloud and three layers; every one holds what the cloud held at the start. Undefined: there is no skopeo here. */
async function startNested(t: TestContext) {
  if (!requireTool(t, 'skopeo')) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'nested-'))
  const [cloud, cloudData, ...others] = (await freePorts(2 + 3 * plannedLayers().length)) as [
    number,
    number,
    ...number[]
  ]
  const ports = plannedLayers().map((_, at) => {
    const [registry, proxy, hub] = others.slice(3 * at) as [number, number, number]
    return { cloud, cloudData, registry, proxy, hub }
  })
  const nested = await createNestedWorld({ folder, ports, repositories: demoRepositories })
  t.after(async () => {
    await nested.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const contents = nested.layers[0].world.cloud!.contents
  fillCloud(contents, { largeSize: 0 })
  await nested.start()
  const layers = await Promise.all(nested.layers.map((layer) => withClient(layer, folder)))
  for (const layer of layers) await arrived(layer, 'demo/app', '1.0')
  return { layers: layers as [Site, Site, Site], contents, folder }
}

type Site = Awaited<ReturnType<typeof withClient>>

async function withClient(layer: Layer, folder: string) {
  const own = join(folder, `client-${layer.name}`)
  await mkdir(own)
  const { name, password } = layer.world.clientToken
  return { ...layer, skopeo: await createSkopeo(layer.world, own, { name, password, host: '' }) }
}

/** The layer tells that it brought a tag from above. */
async function arrived({ world }: Pick<Site, 'world'>, repository: string, tag: string): Promise<void> {
  await world.registry.line(
    ({ msg, repository: name, reference }) =>
      msg === 'reference brought from the parent' && name === repository && reference === tag,
    patience()
  )
}

test('three layers below a cloud hold the same, whoever pushes where, and the top knows how all below it are', async (t) => {
  const nested = await startNested(t)
  if (!nested) return
  const { layers, contents, folder } = nested
  const [top, middle, bottom] = layers
  const layout = join(folder, 'app:1.0')

  // Down: with a client token that only the top was told of.
  await bottom.skopeo.pull('demo/app:1.0', layout)
  contents.put('demo/app', helloWorld(), '2.0')
  await top.world.invoke('sync')
  await arrived(bottom, 'demo/app', '2.0')
  assert.equal(await bottom.skopeo.digest('demo/app:1.0'), digest)
  assert.equal(await bottom.skopeo.digest('demo/app:2.0'), helloWorld().manifest.descriptor.digest)

  // Up and down, from the middle.
  await middle.skopeo.push(layout, 'demo/app:site')
  await arrived(bottom, 'demo/app', 'site')
  await middle.world.invoke('sync')
  await top.world.invoke('sync')
  assert.equal(await bottom.skopeo.digest('demo/app:site'), digest)
  assert.equal(contents.repository('demo/app')?.tags.get('site')?.digest, digest)

  await assert.rejects(bottom.skopeo.push(layout, 'demo/app:refused'), /not allowed on this registry/)
  await knowsOfAll(top)
  // A change of the settings is reported at once and all else with it, which would be within half a minute.
  await top.world.hub.patchDesired('connected-registry', { logLevel: 'Warning' })
  const { descendants } = (await top.world.hub.reportedMatches('connected-registry', areAllOnline, patience())) as Told
  assert.deepEqual(descendants, { count: 2, online: 2, offline: 0, unhealthy: 0, worst: [] })
})

/** Reports climb layer by layer, within seconds. */
async function knowsOfAll({ world }: Site): Promise<void> {
  for await (const _ of every(100, undefined, { signal: patience() })) {
    const { children = [] } = (await world.invoke('status')).payload as Tree
    const below = children.flatMap((child) => [child, ...(child.report?.children ?? [])])
    if (below.filter(({ connectionState }) => connectionState === 'Online').length === 2) return
  }
}

interface Tree {
  readonly children?: readonly { readonly connectionState: string; readonly report?: Tree }[]
}

interface Told {
  readonly descendants?: { readonly online?: number }
}

function areAllOnline(reported: object): boolean {
  return (reported as Told).descendants?.online === 2
}
