import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A memory cgroup, as a container has one. The pages of a file count in the group of whoever reads it first. Errors are those
 * of the file system.
 */
export interface MemoryGroup {
  /** Starts the command that follows these words in the group. */
  readonly launcher: readonly [string, ...string[]]
  /** MiB as `docker stats` and the metrics of IoT Edge count: without files' pages that were not used a second time. */
  used(): number
  /** MiB of what is no file. */
  own(): number
  /** After its last process has ended. */
  close(): void
}

interface Version {
  readonly root: string
  readonly limit: string
  readonly usage: string
  /** Words of `memory.stat`. */
  readonly idleFiles: string
  readonly own: string
}

const mebibyte = 1024 * 1024
const versions: readonly Version[] = [
  {
    root: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    idleFiles: 'total_inactive_file',
    own: 'total_rss'
  },
  {
    root: '/sys/fs/cgroup',
    limit: 'memory.max',
    usage: 'memory.current',
    idleFiles: 'inactive_file',
    own: 'anon'
  }
]

/** Undefined where this machine lets us have none. */
export function createMemoryGroup(limitMiB: number): MemoryGroup | undefined {
  const version = versions.find(isThere)
  if (!version) return undefined
  const folder = join(version.root, `bench-${process.pid}-${limitMiB}`)
  mkdirSync(folder)
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const stat = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(read('memory.stat'))?.[1])
  writeFileSync(join(folder, version.limit), String(limitMiB * mebibyte))
  return {
    launcher: ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'cgroup.procs')],
    used: () => (Number(read(version.usage)) - stat(version.idleFiles)) / mebibyte,
    own: () => stat(version.own) / mebibyte,
    close: () => rmdirSync(folder)
  }
}

function isThere({ root }: Version): boolean {
  // The second version has its controllers named where groups are made.
  const names = root.endsWith('memory') ? undefined : join(root, 'cgroup.subtree_control')
  try {
    accessSync(root, constants.W_OK)
  } catch {
    return false
  }
  return names === undefined || (existsSync(names) && readFileSync(names, 'utf8').includes('memory'))
}
