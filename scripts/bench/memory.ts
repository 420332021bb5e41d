import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../test/fixtures/ports.ts'
import { createWorld } from '../../test/simulators/world.ts'
import { type Contender, ours, startContenders } from './contenders.ts'
import type { Fact } from './fact.ts'
import { memoryOf } from './processes.ts'

const settleMs = 3000

/** What each holds when it has just been started and nobody asks for anything; ours also with all of IoT Edge around it. */
export async function measureIdleMemory(folder: string): Promise<readonly Fact[]> {
  const contenders = await startContenders(join(folder, 'idle'))
  await pause(settleMs)
  const held = contenders.map(({ name, pid }) => [name, memoryOf(pid)] as const)
  await Promise.all(contenders.map((contender) => contender.stop()))
  const asModule = await idleAsModule(join(folder, 'device'))
  const values = (part: 'now' | 'own') => Object.fromEntries(held.map(([name, memory]) => [name, memory[part]]))
  return [
    { work: 'memory, idle, standalone', unit: 'MiB', values: values('now'), limit: 80 },
    { work: '  of it no file, such as the program', unit: 'MiB', values: values('own') },
    { work: 'memory, idle, as an IoT Edge module', unit: 'MiB', values: { [ours]: asModule.now }, limit: 130 },
    { work: '  of it no file, such as the program', unit: 'MiB', values: { [ours]: asModule.own } }
  ]
}

async function idleAsModule(folder: string): Promise<ReturnType<typeof memoryOf>> {
  const [cloud = 0, cloudData = 0, registry = 0, proxy = 0, hub = 0] = await freePorts(5)
  await mkdir(folder, { recursive: true })
  const ports = { cloud, cloudData, registry, proxy, hub }
  const world = await createWorld({ folder, ports, repositories: ['hello-world'] })
  try {
    await world.start()
    await pause(settleMs)
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
