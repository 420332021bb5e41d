import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { acknowledgedIn } from './acknowledged.ts'
import { checkStore } from './check-store.ts'
import { aWorkload, type Step, type Writer } from './workload.ts'

const size = { writers: 4, rounds: 5 }

/**
 * Works on a store again and again, each time with new repositories, and kills the work wherever it happens to be. After each
 * kill the store is as its clients were told, with what this round and the one before it left.
 */
export async function killWork(t: TestContext, kills: number): Promise<void> {
  for (let left = kills; left > 0; left -= killsOfAStore) await killWorkOn(t, Math.min(left, killsOfAStore))
}

/** It grows, and is read whole after each. */
const killsOfAStore = 10

async function killWorkOn(t: TestContext, kills: number): Promise<void> {
  const dataVolume = await mkdtemp(join(tmpdir(), 'kill-'))
  t.after(() => rm(dataVolume, { recursive: true, force: true }))
  let before: { readonly workload: readonly Writer[]; readonly counts: readonly number[] } = {
    workload: [],
    counts: []
  }

  for (let turn = 0; turn < kills; turn++) {
    const seed = `turn-${turn}`
    const workload = aWorkload(seed, size)
    const counts = acknowledgedIn(await workUntilKilled(t, dataVolume, seed), workload)

    const all = [...before.workload, ...workload]
    const done = await checkStore(dataVolume, all, [...before.counts, ...counts])

    before = leave(workload, done.slice(before.counts.length))
  }
}

/** What the next round finds of this one: its garbage may be collected meanwhile. */
function leave(workload: readonly Writer[], counts: readonly number[]) {
  const steps = (writer: Writer, number: number): readonly Step[] => [
    ...writer.steps.slice(0, counts[number]),
    { kind: 'collect garbage' }
  ]
  return { workload: workload.map((writer, number) => ({ ...writer, steps: steps(writer, number) })), counts }
}

/** Every line that was printed, up to the kill. */
async function workUntilKilled(t: TestContext, dataVolume: string, seed: string): Promise<readonly string[]> {
  const program = join(import.meta.dirname, 'programs', 'work.ts')
  const { writers, rounds } = size
  const child = spawn(process.execPath, [program, dataVolume, seed, String(writers), String(rounds)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = once(child, 'close')
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const killAt = randomInt(1, 200)
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (lines.push(line) === killAt) child.kill('SIGKILL')
  })
  await ended
  return lines
}
