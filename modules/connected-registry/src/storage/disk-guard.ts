import { statfs } from 'node:fs/promises'
import { StoreError } from './store-error.ts'

/** Keeps a disk from running full while there is still room to delete, and a store within its quota. */
export interface DiskGuard {
  /** Before anything large is written. Throws StoreError `ENOSPC` where the disk is nearly full, `EDQUOT` where the quota is used up. */
  admit(): Promise<void>
  /** Looks at the disk now. */
  look(): Promise<void>
  /** Why nothing is admitted, as of the last look. */
  readonly problem: string | undefined
  /** As of the last look; undefined: there was none that told. */
  readonly room: DiskRoom | undefined
  /** Bytes that content may take; undefined: as many as there are. What is there already stays, however much it is. */
  setQuota(bytes: number | undefined): void
  /** Bytes that one kind of content takes, those that are arriving included; asked for only where there is a quota. */
  addUsage(usage: () => Promise<number>): void
  /** Called when a problem comes, changes or goes. */
  onChange(listener: () => void): void
  close(): void
}

/** In bytes. */
export interface DiskRoom {
  readonly free: number
  /** Nothing is admitted where less is free. */
  readonly reserve: number
  /** Undefined: none is set. */
  readonly quota: number | undefined
}

export interface DiskGuardOptions {
  /** Any path on the disk. */
  readonly path: string
  readonly statfs?: (path: string) => Promise<DiskFigures>
  /** Milliseconds that only grow. */
  readonly now?: () => number
  /** Between two looks that nobody asked for; 0: none. */
  readonly everyMs?: number
}

/** As of statfs(2): blocks in all and blocks that we may take, each of `bsize` bytes. */
export interface DiskFigures {
  readonly blocks: number
  readonly bavail: number
  readonly bsize: number
}

/** Room that is left for records and for the deletes that make room: a hundredth of the disk, at least 256 MiB. */
const reserve = { part: 0.01, leastBytes: 256 * 1024 * 1024 }
/** Less than the fastest disks need to fill the reserve. */
const freshMs = 100

export function createDiskGuard(options: DiskGuardOptions): DiskGuard {
  const { path, statfs: figuresOf = statfs, now = () => performance.now(), everyMs = 5000 } = options
  const usages: (() => Promise<number>)[] = []
  let quota: number | undefined
  let failure: StoreError | undefined
  let seen: { readonly free: number; readonly reserve: number } | undefined
  let looking: { readonly since: number; readonly done: Promise<void> } | undefined
  let tell: () => void = () => {}
  const timer = everyMs > 0 ? setInterval(() => look().catch(conclude), everyMs).unref() : undefined

  async function examine(): Promise<void> {
    const { blocks, bavail, bsize } = await figuresOf(path)
    const kept = Math.max(blocks * bsize * reserve.part, reserve.leastBytes)
    const free = bavail * bsize
    seen = { free, reserve: Math.ceil(kept) }
    if (free < kept) return conclude(refusal('ENOSPC', `the disk is nearly full: less than ${mib(kept)} are free`))
    if (quota === undefined) return conclude(undefined)
    const taken = await Promise.all(usages.map((usage) => usage()))
    const used = taken.reduce((sum, bytes) => sum + bytes, 0)
    if (used < quota) return conclude(undefined)
    conclude(refusal('EDQUOT', `the quota of ${mib(quota)} is used up`))
  }

  /** How much is free or taken is left out: with each look it would be another problem, to be told anew. */
  function refusal(code: 'ENOSPC' | 'EDQUOT', reason: string): StoreError {
    return new StoreError(reason, { code, path })
  }

  function conclude(next: unknown): void {
    const before = failure?.reason
    failure =
      next === undefined || next instanceof StoreError
        ? next
        : new StoreError('the disk does not say how full it is', { code: 'EIO', path, cause: next })
    if (failure?.reason !== before) tell()
  }

  /** One look at a time, for all that wait for it. */
  function look(): Promise<void> {
    const done = examine().catch(conclude)
    looking = { since: now(), done }
    return done
  }

  return {
    look,
    async admit() {
      await (looking && now() - looking.since < freshMs ? looking.done : look())
      if (failure) throw failure
    },
    get problem() {
      return failure?.reason
    },
    get room() {
      return seen && { ...seen, quota }
    },
    setQuota(bytes) {
      if (bytes === quota) return
      quota = bytes
      void look()
    },
    addUsage(usage) {
      usages.push(usage)
    },
    onChange(listener) {
      tell = listener
    },
    close: () => clearInterval(timer)
  }
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`
}
