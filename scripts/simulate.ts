import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fillCloud } from '../test/fixtures/fill-cloud.ts'
import { createWorld, type World } from '../test/simulators/world.ts'
import { readArguments, type SimulationArguments, usage } from './simulation/arguments.ts'
import { firstSync } from './simulation/first-sync.ts'
import { folder, leaveGround, takeGround, tellWorld, worldFile } from './simulation/ground.ts'
import { modulesFromImages } from './simulation/image-modules.ts'
import { simulateNested } from './simulation/nested.ts'
import { liveLine, readyScreen } from './simulation/screen.ts'

try {
  const given = readArguments(process.argv.slice(2))
  if (given.help) process.stdout.write(usage)
  else await (given.isNested ? simulateNested(given, interruption()) : simulate(given))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

/** The main job: a cloud, an edge device with both modules, and a screen that says what to try. Ctrl-C ends it. */
async function simulate({ fresh, ports, parent, repositories, images }: SimulationArguments): Promise<void> {
  const began = performance.now()
  const needed = parent === undefined ? ports : { ...ports, cloud: ports.hub, cloudData: ports.hub }
  const module = images === undefined ? undefined : modulesFromImages(images, join(folder, 'containers'))
  await takeGround(Object.values(needed), fresh)
  const world = await createWorld({ folder, ports, parent, repositories, ...(module && { module }) })
  const interrupted = interruption()
  try {
    if (world.cloud) fillCloud(world.cloud.contents)
    await world.start()
    const tags = await firstSync(world, repositories)
    await tellWorld([{ name: 'edge', world }])
    const facts = { readyMs: performance.now() - began, tags, worldFile: relative(process.cwd(), worldFile) }
    process.stdout.write(readyScreen(world, facts))
    for (const { events } of [world.registry, world.proxy]) events.on('line', (line) => show(liveLine(line)))
    await Promise.race([interrupted, endOf(world)])
  } finally {
    await rm(worldFile, { force: true })
    await world.stop()
    await leaveGround()
  }
}

/** An output that is closed has no reader left to simulate for. */
function interruption(): Promise<unknown> {
  const unread = new Promise((resolve) => process.stdout.on('error', resolve))
  return Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), unread])
}

async function endOf({ registry, proxy }: World): Promise<never> {
  const name = await Promise.race([registry, proxy].map(({ name, events }) => once(events, 'exit').then(() => name)))
  throw new Error(`${name} ended by itself; its last lines are above`)
}

function show(line: string | undefined): void {
  if (line !== undefined) process.stdout.write(line)
}
