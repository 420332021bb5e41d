import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acknowledgedIn } from './acknowledged.ts'
import { createChance } from './chance.ts'
import { checkStore } from './check-store.ts'
import { afterKill, afterPowerCut, type DiskFolder } from './disk-model.ts'
import type { Recording } from './recording.ts'
import type { Writer } from './workload.ts'

/** A state of the disk that the store could not cope with. */
export interface Failure {
  /** Operations that had ended. */
  readonly cut: number
  readonly seed?: number
  readonly error: unknown
}

/** What the next start finds after each of these cuts, with everything written that was written before. */
export async function replayKills(
  recording: Recording,
  workload: readonly Writer[],
  cuts: Iterable<number>
): Promise<readonly Failure[]> {
  const failures: Failure[] = []
  for (const cut of cuts) {
    const error = await tryDisk(afterKill(recording, cut), workload, acknowledgedAt(recording, workload, cut))
    if (error) failures.push({ cut, error })
  }
  return failures
}

/** The same when the power fails: a cut by chance, and of what was not synced a part by chance. */
export async function replayPowerCuts(
  recording: Recording,
  workload: readonly Writer[],
  { seeds, untilFailures = Number.POSITIVE_INFINITY }: { seeds: Iterable<number>; untilFailures?: number }
): Promise<readonly Failure[]> {
  const failures: Failure[] = []
  for (const seed of seeds) {
    const chance = createChance(seed)
    const cut = chance.below(recording.operations.length + 1)
    const disk = afterPowerCut(recording, cut, chance)
    const error = await tryDisk(disk, workload, acknowledgedAt(recording, workload, cut))
    if (error) failures.push({ cut, seed, error })
    if (failures.length >= untilFailures) break
  }
  return failures
}

function acknowledgedAt({ lines }: Recording, workload: readonly Writer[], cut: number): readonly number[] {
  const said = lines.filter(({ at }) => at <= cut).map(({ text }) => text)
  return acknowledgedIn(said, workload)
}

async function tryDisk(
  disk: DiskFolder,
  workload: readonly Writer[],
  acknowledged: readonly number[]
): Promise<unknown> {
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'crash-'))
  try {
    await write(folder, disk)
    await checkStore(folder, workload, acknowledged)
    return undefined
  } catch (error) {
    return error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function write(path: string, folder: DiskFolder): Promise<void> {
  for (const [name, content] of folder) {
    if (content instanceof Map) {
      await mkdir(join(path, name))
      await write(join(path, name), content)
    } else {
      await writeFile(join(path, name), content)
    }
  }
}
