import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DiskFolder } from './disk-model.ts'
import { type Recording, recordingOf } from './recording.ts'
import { readCalls } from './system-calls.ts'
import type { WorkloadSize } from './workload.ts'

const calls = [
  ...['openat', 'open', 'close', 'mkdir', 'mkdirat', 'rmdir', 'unlink', 'unlinkat', 'link', 'linkat'],
  ...['rename', 'renameat', 'renameat2', 'write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'lseek'],
  ...['fsync', 'fdatasync', 'fallocate', 'dup', 'dup2', 'dup3', 'copy_file_range', 'sendfile']
]

export interface RecordedRun {
  readonly recording: Recording
  /** What the folder held in the end, as the system says. */
  readonly folder: DiskFolder
}

/** Carries out a workload in a process of its own, watched from below it, without the ring that would hide its calls. */
export async function recordRun(strace: string, seed: string, { writers, rounds }: WorkloadSize): Promise<RecordedRun> {
  const scratch = await mkdtemp(join(tmpdir(), 'crash-'))
  const folder = await mkdtemp(join(scratch, 'data-'))
  try {
    const output = join(scratch, 'trace')
    const options = [
      '-f',
      '--seccomp-bpf',
      '-xx',
      '-s',
      '8000000',
      '-e',
      `trace=${calls}`,
      '-e',
      'signal=none',
      '-o',
      output
    ]
    const program = [join(import.meta.dirname, 'programs', 'work.ts'), folder, seed, String(writers), String(rounds)]
    const env = { ...process.env, UV_USE_IO_URING: '0' }
    await promisify(execFile)(strace, [...options, process.execPath, ...program], { env, maxBuffer: 2 ** 28 })
    const recording = recordingOf(readCalls(await readFile(output, 'latin1')), folder)
    return { recording, folder: await readFolder(folder) }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function readFolder(path: string): Promise<DiskFolder> {
  const entries = await readdir(path, { withFileTypes: true })
  const read = async (name: string, isDirectory: boolean) =>
    [name, isDirectory ? await readFolder(join(path, name)) : await readFile(join(path, name))] as const
  return new Map(await Promise.all(entries.map((entry) => read(entry.name, entry.isDirectory()))))
}
