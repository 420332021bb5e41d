import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { anImage } from '../../test/fixtures/image-builder.ts'
import { freePorts } from '../../test/fixtures/ports.ts'
import { basicAuthorization } from '../../test/fixtures/push-image.ts'
import { createNestedWorld, type NestedWorld, plannedLayers } from '../../test/simulators/nested-world.ts'
import { ours } from './contenders.ts'
import type { Fact } from './fact.ts'
import type { Scale } from './line.ts'
import { percentile } from './load.ts'
import { openSlowLink, type SlowLink } from './slow-link.ts'

const repository = 'bench/app'
const linkMs = 50
const lookMs = 5
const patienceMs = 60_000

/**
 * A cloud and three layers as real processes, each behind the API proxy of the one above: how long an image takes from the cloud to
 * the bottom once layer 5 looks (a cloud that is no gateway is looked at once a minute), and what an idle link carries.
 */
export async function measureLayers(folder: string, { layers }: Scale): Promise<readonly Fact[]> {
  const near = await travels(join(folder, 'layers-near'), layers)
  const links: SlowLink[] = []
  try {
    const far = await travels(join(folder, 'layers-far'), layers, links)
    return [...factsOf('loopback', near.latencies), ...factsOf(`${linkMs} ms a link`, far.latencies), ...far.idle]
  } finally {
    for (const link of links) link.close()
  }
}

async function travels(folder: string, { images, imageBytes, idleMs }: Scale['layers'], links?: SlowLink[]) {
  const nested = await startNested(folder, links)
  try {
    const latencies = new Float64Array(images)
    // The first one finds everything cold.
    await travel(nested, 'warm', imageBytes)
    for (let at = 0; at < images; at++) latencies[at] = await travel(nested, `v${at}`, imageBytes)
    return { latencies: latencies.sort(), idle: links ? await idleFacts(links, idleMs) : [] }
  } finally {
    await nested.stop()
  }
}

async function startNested(folder: string, links?: SlowLink[]): Promise<NestedWorld> {
  await mkdir(folder, { recursive: true })
  const free = await freePorts(5 * plannedLayers().length)
  const ports = plannedLayers().map((_, at) => {
    const [cloud, cloudData, registry, proxy, hub] = free.slice(5 * at) as [number, number, number, number, number]
    return { cloud, cloudData, registry, proxy, hub }
  })
  const via = async (above: string) => {
    const link = await openSlowLink(above, { roundTripMs: linkMs })
    links?.push(link)
    return link.host
  }
  const nested = await createNestedWorld({ folder, ports, repositories: [repository], ...(links && { via }) })
  nested.layers[0].world.cloud?.contents.put(repository, anImage({ seed: 'first' }), 'first')
  await nested.start()
  await pullable(nested, 'first')
  return nested
}

/** Milliseconds from the push to the answer at the bottom that has its manifest, and so all of it. */
async function travel(nested: NestedWorld, tag: string, bytes: number): Promise<number> {
  const image = anImage({ seed: randomBytes(8).toString('hex'), layers: 1, layerSize: bytes })
  const [{ world: top }] = nested.layers
  const begin = performance.now()
  top.cloud?.contents.put(repository, image, tag)
  const looked = top.invoke('sync')
  await pullable(nested, tag)
  const taken = performance.now() - begin
  await looked
  return taken
}

async function pullable({ layers }: NestedWorld, tag: string): Promise<void> {
  const { registryUrl, clientToken } = layers.at(-1)!.world
  const headers = { authorization: basicAuthorization(clientToken.name, clientToken.password) }
  const signal = AbortSignal.timeout(patienceMs)
  for (;;) {
    const answer = await fetch(`${registryUrl}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers, signal })
    if (answer.ok) return
    await pause(lookMs)
  }
}

function factsOf(where: string, latencies: Float64Array): readonly Fact[] {
  const fact = (name: string, share: number): Fact => ({
    work: `push at the cloud to pullable at layer 3, ${where}, ${name} of ${latencies.length}`,
    unit: 'ms',
    values: { [ours]: percentile(latencies, share) }
  })
  return [fact('median', 0.5), fact('p99', 0.99)]
}

/** The first link leads to the cloud, each other one to the layer above. Without the round over the whole scope, once an hour. */
async function idleFacts(links: readonly SlowLink[], idleMs: number): Promise<readonly Fact[]> {
  const before = links.map(({ bytes }) => bytes)
  await pause(idleMs)
  return links.map(({ bytes }, at) => ({
    work: `idle link ${at === 0 ? 'to the cloud' : `to layer ${6 - at}`}, an hour by ${idleMs / 1000} s`,
    unit: 'KiB',
    values: { [ours]: ((bytes - before[at]!) * 3_600_000) / idleMs / 1024 }
  }))
}
