import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

// USER_HZ: what the kernel shows to programs, whatever it ticks with itself (proc(5), times(2)).
const ticksPerSecond = 100

/** Seconds that a process, all its threads and all its descendants have computed. */
export function cpuSeconds(pid: number): number {
  const fields = statOf(pid)
  // utime, stime, and those of children that have ended: fields 14 to 17.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return ticks / ticksPerSecond + childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), 0)
}

/** All its threads, and those they start, get the processor after others. setpriority(2) is about one thread on Linux. */
export function stepBack(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), 10)
}

/** Those that programs took which this process started and which have ended. */
export function endedSeconds(): number {
  const [user = 0, system = 0] = statOf(process.pid).slice(13, 15).map(Number)
  return (user + system) / ticksPerSecond
}

/** Seconds that all processors together did not rest: for programs, the system, or the host of a virtual machine (proc(5), /proc/stat). */
export function machineSeconds(): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond
}

/** In MiB. */
export interface Memory {
  /** `VmRSS`, which is `own` and `files` and nothing else to speak of. */
  readonly now: number
  /** `RssAnon`: what is the process's own, such as its heap. */
  readonly own: number
  /** `RssFile`: pages of its program and of libraries; clean, shared with others that run it, and dropped where room is needed. */
  readonly files: number
  /** `VmHWM`: the most since `forgetPeak`. */
  readonly peak: number
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return {
    now: mebibytes('VmRSS'),
    own: mebibytes('RssAnon'),
    files: mebibytes('RssFile'),
    peak: mebibytes('VmHWM')
  }
}

/** proc(5), clear_refs: 5 sets the peak back to what is held now. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The fields after the command's name, which may hold spaces and brackets. */
function statOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  )
}
