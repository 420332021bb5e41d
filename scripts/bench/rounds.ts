import { execFileSync } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Contender } from './contenders.ts'
import type { Line } from './line.ts'
import { cpuSeconds, forgetPeak, machineSeconds, memoryOf } from './processes.ts'
import type { Sample } from './report.ts'

export interface RoundsOptions {
  readonly rounds: number
  /** No round begins after this, in milliseconds of `performance.now()`. */
  readonly until: number
  readonly progress: (text: string) => void
}

/** Every line by every contender, round after round, so that what drifts on the machine meets all of them alike. */
export async function runRounds(
  lines: readonly Line[],
  contenders: readonly Contender[],
  { rounds, until, progress }: RoundsOptions
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  for (const line of lines) {
    for (const contender of contenders) await line.prepare?.(contender)
  }
  for (let round = 0; round < rounds && (round === 0 || performance.now() < until); round++) {
    for (const line of lines) {
      progress(`round ${round + 1} of ${rounds}: ${line.name}`)
      // Who comes first finds the machine as the one before left it: the order turns.
      const order = round % 2 === 0 ? contenders : contenders.toReversed()
      for (const contender of order) samples.push(await sample(line, contender))
    }
  }
  return samples
}

async function sample(line: Line, contender: Contender): Promise<Sample> {
  const { name, pid } = contender
  const work = await line.round(contender)
  await settle(contender.folder, line.written ?? 0)
  forgetPeak(pid)
  const [before, machineBefore] = [cpuSeconds(pid), machineSeconds()]
  const load = await work()
  const [computed, machine] = [cpuSeconds(pid) - before, machineSeconds() - machineBefore]
  const peakMemory = memoryOf(pid).peak
  await line.clean?.(contender)
  const othersBusy = Math.max(0, (machine - computed) / load.seconds - load.clientBusy)
  return { line, contender: name, load, cpuSeconds: computed, othersBusy, peakMemory }
}

/** Before work that writes so many bytes. */
export async function settle(folder: string, bytes: number): Promise<void> {
  // What others left to be written would be written while this one works.
  execFileSync('sync')
  await warmMemory(folder, bytes)
}

const block = Buffer.alloc(1024 * 1024)

/**
 * Memory that lay free for seconds is given back by a virtual machine to its host, and dear to get again: up to two CPU
 * seconds a GiB, which would fall on whoever writes first. So as much as is about to be written is written and removed.
 */
async function warmMemory(folder: string, bytes: number): Promise<void> {
  if (bytes === 0) return
  const path = join(folder, 'warm-memory')
  await using file = await open(path, 'w')
  for (let written = 0; written < bytes; written += block.length) await file.write(block)
  await rm(path)
}
