import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../test/fixtures/ports.ts'
import { createWorld } from '../../test/simulators/world.ts'
import { type Contender, ours, startContenders } from './contenders.ts'
import type { Fact } from './fact.ts'
import { bringImageSources, type ImageSources } from './image-sources.ts'
import { type Memory, memoryOf } from './processes.ts'

/** By then a module has given back what its start took (`edge-module/src/rest.ts`). */
export const restMs = 20_000

/**
 * What each holds some time after it was started again, while nobody asks for anything; ours as its image has it, and also with all
 * of IoT Edge around it.
 */
export async function measureIdleMemory(folder: string): Promise<readonly Fact[]> {
  const sources = bringImageSources()
  try {
    return await measureIdle(folder, sources.module)
  } finally {
    await sources.close()
  }
}

async function measureIdle(folder: string, create: ImageSources['module']): Promise<readonly Fact[]> {
  const contenders = await startContenders(join(folder, 'idle'), { create })
  for (const contender of contenders) await contender.restart()
  await pause(restMs)
  const held = contenders.map(({ name, pid }) => [name, memoryOf(pid)] as const)
  await Promise.all(contenders.map((contender) => contender.stop()))
  const asModule = await idleAsModule(join(folder, 'device'), create)
  const alone = Object.fromEntries(held)
  const inDevice = { [ours]: asModule }
  return [
    ...factsOf('memory, idle, standalone', alone, 80),
    ...factsOf('memory, idle, as an IoT Edge module', inDevice, 130),
    { work: '  the most since it was started', unit: 'MiB', values: { [ours]: asModule.peak } }
  ]
}

function factsOf(work: string, held: Readonly<Record<string, Memory>>, limit: number): readonly Fact[] {
  const values = (part: keyof Memory) =>
    Object.fromEntries(Object.entries(held).map(([name, memory]) => [name, memory[part]]))
  return [
    { work, unit: 'MiB', values: values('now'), limit },
    { work: '  of it its own, no file', unit: 'MiB', values: values('own') },
    { work: '  of it pages of files, such as its program', unit: 'MiB', values: values('files') }
  ]
}

async function idleAsModule(folder: string, module: ImageSources['module']): Promise<Memory> {
  const [cloud = 0, cloudData = 0, registry = 0, proxy = 0, hub = 0] = await freePorts(5)
  await mkdir(folder, { recursive: true })
  const ports = { cloud, cloudData, registry, proxy, hub }
  const world = await createWorld({ folder, ports, repositories: ['hello-world'], module })
  try {
    await world.start()
    await world.registry.restart()
    await pause(restMs)
    return memoryOf(world.registry.pid ?? 0)
  } finally {
    await world.stop()
  }
}

/** The most that each has held since it was started. */
export function peakMemory(contenders: readonly Contender[], peaks: Readonly<Record<string, number>>): Fact {
  const values = Object.fromEntries(
    contenders.map(({ name, pid }) => [name, Math.max(peaks[name] ?? 0, memoryOf(pid).peak)])
  )
  return { work: 'memory, at the most under all this', unit: 'MiB', values, limit: 250 }
}
