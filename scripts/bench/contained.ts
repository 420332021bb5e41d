import { execFileSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pushLines } from './blobs.ts'
import { type OurContender, ours, startOurs } from './contenders.ts'
import type { Fact } from './fact.ts'
import { bringImageSources, type ImageSources } from './image-sources.ts'
import type { Line, Scale } from './line.ts'
import { restMs } from './memory.ts'
import { createMemoryGroup, type MemoryGroup } from './memory-group.ts'
import { smallRequestLines } from './small-requests.ts'

/** What a deployment may give the registry, and as good as no limit at all. */
const limits = { small: 130, large: 4096 } as const

interface Contained {
  /** MiB at rest, as operators are shown it. */
  readonly used: number
  readonly own: number
  /** Units a second. */
  readonly speeds: readonly number[]
}

/** What a container's limit does to it: the kernel takes pages of the program back where room is needed, and reads them again. */
export async function measureContained(folder: string, scale: Scale): Promise<readonly Fact[]> {
  const lines = [smallRequestLines(scale)[0]!, pushLines(scale)[0]!]
  const sources = bringImageSources()
  try {
    return await compareLimits(folder, { lines, create: sources.module })
  } finally {
    await sources.close()
  }
}

async function compareLimits(folder: string, work: Work): Promise<readonly Fact[]> {
  const small = await inContainer(join(folder, 'small'), limits.small, work)
  const large = small && (await inContainer(join(folder, 'large'), limits.large, work))
  if (!small || !large) return []
  const fact = (work: string, unit: string, value: number): Fact => ({ work, unit, values: { [ours]: value } })
  const box = `in a container of ${limits.small} MiB`
  return [
    fact('memory, idle, as `docker stats` counts it, no limit', 'MiB', large.used),
    fact(`memory, idle, ${box}`, 'MiB', small.used),
    fact('  of it no file, such as the program', 'MiB', small.own),
    ...work.lines.map(({ name }, index) =>
      fact(`${name}, ${box}, beside no limit`, 'x', (small.speeds[index] ?? 0) / (large.speeds[index] ?? 0))
    )
  ]
}

interface Work {
  readonly lines: readonly Line[]
  readonly create: ImageSources['module']
}

/** Undefined where this machine lets us limit nothing. */
async function inContainer(folder: string, limitMiB: number, work: Work): Promise<Contained | undefined> {
  const group = createMemoryGroup(limitMiB)
  if (!group) return undefined
  try {
    await mkdir(folder, { recursive: true })
    return await runIn(group, folder, work)
  } finally {
    group.close()
    await rm(folder, { recursive: true })
  }
}

async function runIn(group: MemoryGroup, folder: string, { lines, create }: Work): Promise<Contained> {
  const node = join(folder, 'node')
  // As an image brings its own: the pages of this very Node's file count where it was started first.
  const [shell, ...words] = [...group.launcher, 'cp', process.execPath, node] as [string, ...string[]]
  execFileSync(shell, words)
  const contender = await startOurs(folder, { create, command: [...group.launcher, node] })
  try {
    await pause(restMs)
    const [used, own] = [group.used(), group.own()]
    const speeds: number[] = []
    for (const line of lines) speeds.push(await speedOf(line, contender))
    return { used, own, speeds }
  } finally {
    await contender.stop()
  }
}

async function speedOf(line: Line, contender: OurContender): Promise<number> {
  await line.prepare?.(contender)
  const run = await line.round(contender)
  const { amount, seconds } = await run()
  await line.clean?.(contender)
  return amount / seconds
}
