import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureAccess } from './bench/access.ts'
import { type BenchArguments, readArguments, usage } from './bench/arguments.ts'
import { blobLines, pushLines } from './bench/blobs.ts'
import { measureChildren } from './bench/children.ts'
import { measureContained } from './bench/contained.ts'
import { type Contender, startContenders } from './bench/contenders.ts'
import type { Fact } from './bench/fact.ts'
import { measureGarbage } from './bench/garbage.ts'
import { measureIdleRound } from './bench/idle-round.ts'
import { measureLatency } from './bench/latency.ts'
import { measureLayers } from './bench/layers.ts'
import { measureManyTags } from './bench/many-tags.ts'
import { measureIdleMemory, peakMemory } from './bench/memory.ts'
import { measureProxy } from './bench/proxy.ts'
import { factTableOf, type Row, rowsOf, type Sample, tableOf } from './bench/report.ts'
import { type RoundsOptions, runRounds } from './bench/rounds.ts'
import { smallRequestLines } from './bench/small-requests.ts'
import { measureSync } from './bench/sync.ts'
import { zbLines } from './bench/zb.ts'

const progress = (text: string) => process.stderr.write(`${text}\n`)

try {
  const given = readArguments(process.argv.slice(2))
  if (given.help) process.stdout.write(usage)
  else await bench(given)
} catch (error) {
  progress(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
}

/** Registries side by side, each in a process of its own; nothing of it stays but what is printed. */
async function bench(given: BenchArguments): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  const contenders: Contender[] = []
  try {
    const facts = given.groups.includes('memory') ? [...(await measureIdleMemory(folder))] : []
    if (given.groups.includes('memory')) facts.push(...(await measureContained(join(folder, 'contained'), given.scale)))
    if (given.groups.includes('idle-round')) facts.push(...(await measureIdleRound(folder, given.scale)))
    facts.push(...(await measureSync(given.groups, folder, roundsOf(given), given.scale)))
    if (given.groups.includes('layers')) facts.push(...(await measureLayers(folder, given.scale)))
    if (given.groups.includes('children')) facts.push(...(await measureChildren(folder, given.scale)))
    if (given.groups.includes('garbage')) facts.push(...(await measureGarbage(folder, given.scale)))
    contenders.push(...(await startContenders(folder, { profile: given.profile })))
    const samples = [...(await measureLines(given, contenders))]
    if (given.groups.includes('access')) samples.push(...(await measureAccess(folder, given.scale, roundsOf(given))))
    facts.push(...(await measureFacts(given, contenders, folder)))
    if (given.groups.includes('proxy')) {
      const proxy = await measureProxy(folder, given.scale, { ...roundsOf(given), profile: given.profile })
      samples.push(...proxy.samples)
      facts.push(...proxy.facts)
    }
    if (given.groups.includes('memory')) facts.push(peakMemory(contenders, peaksOf(samples)))
    await tell(given, rowsOf(samples), facts)
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureLines(given: BenchArguments, contenders: readonly Contender[]): Promise<readonly Sample[]> {
  const { groups, scale, only } = given
  const all = [...smallRequestLines(scale), ...blobLines(scale), ...pushLines(scale), ...zbLines(scale)]
  const lines = all.filter(({ group, name }) => groups.includes(group) && name.includes(only))
  return runRounds(lines, contenders, roundsOf(given))
}

function roundsOf({ scale }: BenchArguments): RoundsOptions {
  return { rounds: scale.rounds, until: scale.withinMs, progress }
}

async function measureFacts(
  { groups, scale }: BenchArguments,
  contenders: readonly Contender[],
  folder: string
): Promise<Fact[]> {
  const facts: Fact[] = []
  if (groups.includes('latency')) facts.push(...(await measureLatency(contenders, folder, scale)))
  if (groups.includes('many-tags')) facts.push(...(await measureManyTags(contenders, scale)))
  return facts
}

function peaksOf(samples: readonly Sample[]): Readonly<Record<string, number>> {
  const peaks: Record<string, number> = {}
  for (const { contender, peakMemory } of samples) peaks[contender] = Math.max(peaks[contender] ?? 0, peakMemory)
  return peaks
}

async function tell({ scale, json }: BenchArguments, rows: readonly Row[], facts: readonly Fact[]): Promise<void> {
  const machine = { processors: cpus().length, model: cpus()[0]?.model.trim(), node: process.version }
  process.stdout.write(
    `\n${machine.processors} x ${machine.model}, Node ${machine.node}, up to ${scale.rounds} rounds\n\n`
  )
  for (const one of Map.groupBy(rows, ({ between }) => between[0]).values()) process.stdout.write(`${tableOf(one)}\n`)
  if (facts.length > 0) process.stdout.write(`${factTableOf(facts)}\n`)
  if (json) await writeFile(json, `${JSON.stringify({ machine, scale, rows, facts }, undefined, 2)}\n`)
}
