import { rm } from 'node:fs/promises'
import { relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fillCloud } from '../../test/fixtures/fill-cloud.ts'
import { createNestedWorld, type NestedWorld } from '../../test/simulators/nested-world.ts'
import type { WorldPorts } from '../../test/simulators/world.ts'
import type { SimulationArguments } from './arguments.ts'
import { ask, firstSync } from './first-sync.ts'
import { folder, leaveGround, takeGround, tellWorld, worldFile } from './ground.ts'
import { nestedScreen, treeLines } from './nested-screen.ts'

const lookMs = 1000

/** A cloud and three layers below each other, and a screen with their state until it is interrupted. */
export async function simulateNested(
  { fresh, ports, repositories }: SimulationArguments,
  interrupted: Promise<unknown>
): Promise<void> {
  const began = performance.now()
  const all = portsOfLayers(ports)
  await takeGround(
    [...Object.values(all[0]), ...all.slice(1).flatMap(({ registry, proxy, hub }) => [registry, proxy, hub])],
    fresh
  )
  const nested = await createNestedWorld({ folder, ports: all, repositories })
  try {
    const { cloud } = nested.layers[0].world
    if (cloud) fillCloud(cloud.contents)
    await nested.start()
    for (const { world } of nested.layers) await firstSync(world, repositories)
    await tellWorld(nested.layers)
    process.stdout.write(nestedScreen(nested, performance.now() - began, relative(process.cwd(), worldFile)))
    const showing = new AbortController()
    await Promise.race([interrupted, showTree(nested, showing.signal)]).finally(() => showing.abort())
  } finally {
    await rm(worldFile, { force: true })
    await nested.stop()
    await leaveGround()
  }
}

/** Layer 5 has the given ports, the others the next free ones after all of them. */
function portsOfLayers(ports: WorldPorts): readonly [WorldPorts, WorldPorts, WorldPorts] {
  const isDefault = ports.registry === 8080
  const below = (step: number): WorldPorts => {
    const [registry, proxy, hub] = isDefault
      ? [ports.registry + step, ports.proxy + step, ports.hub + step]
      : [ports.hub + 3 * step - 2, ports.hub + 3 * step - 1, ports.hub + 3 * step]
    return { ...ports, registry: registry!, proxy: proxy!, hub: hub! }
  }
  return [ports, below(1), below(2)]
}

/** A tree of all layers as Layer 5 knows them, each time it is another one. */
async function showTree({ layers }: NestedWorld, signal: AbortSignal): Promise<void> {
  let shown = ''
  while (!signal.aborted) {
    const top = layers[0]
    const lines = treeLines(top.name, await ask(top.world, '/status').catch(() => undefined))
    const text = lines.join('\n')
    if (text !== shown) process.stdout.write(`${new Date().toISOString().slice(11, 19)}\n${text}\n\n`)
    shown = text
    await pause(lookMs)
  }
}
