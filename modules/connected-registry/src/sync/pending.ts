import { setImmediate as turn } from 'node:timers/promises'
import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Changes } from '../registry/registry.ts'
import type { Outbound } from './outbound.ts'
import { codeOf, describe } from './problems.ts'
import { isInScope } from './scope.ts'
import type { ScopeEntry } from './scope-rules.ts'
import type { StatusBoard } from './status.ts'
import type { WallClock } from './wall-clock.ts'

/** What is to go up, as the status tells it. */
export interface Pending {
  /** Counts what is to go up and has not been refused: manifests and the bytes they need at most, and all references. */
  tell(patterns: readonly ScopeEntry[]): Promise<void>
}

/** So many may wait after a long outage that whoever asks meanwhile would feel it: a turn of the event loop takes so many. */
const atOnce = 500

export function createPending({ outbound, board }: PendingDeps): Pending {
  let telling: Promise<void> = Promise.resolve()

  async function count(patterns: readonly ScopeEntry[]): Promise<void> {
    let [artifacts, bytes, references, seen] = [0, 0, 0, 0]
    for await (const [repository, , record] of outbound.all()) {
      if (++seen % atOnce === 0) await turn()
      if (record.refusal || !isInScope(patterns, repository)) continue
      references++
      if (record.bytes === undefined) continue
      artifacts++
      bytes += record.bytes
    }
    board.pendingUp({ artifacts, bytes, references })
  }

  return {
    // One at a time: what was counted before something went up must not be told after it.
    tell(patterns) {
      const told = telling.then(() => count(patterns))
      telling = told.catch(() => undefined)
      return told
    }
  }
}

interface PendingDeps {
  readonly outbound: Pick<Outbound, 'all'>
  readonly board: Pick<StatusBoard, 'pendingUp'>
}

export interface PendingWatch {
  /** Counts soon. */
  look(): void
  stop(): Promise<void>
}

export interface PendingWatchOptions {
  readonly changes: Pick<Changes, 'onChange'>
  readonly outbound: Pick<Outbound, 'catchUp'>
  readonly pending: Pending
  /** Undefined: nothing goes anywhere. */
  readonly scope: () => readonly ScopeEntry[] | undefined
  /** Whether clients can change anything. */
  readonly isWritten: () => boolean
  readonly clock: Pick<WallClock, 'after'>
  /** Milliseconds that only grow. */
  readonly elapsed?: () => number
  readonly log: Log
}

/** Changes within it are counted once. */
const gatherMs = 2000
/** A count is followed by at least so many times as long without one. */
const restFactor = 50

/** Rounds may be a day apart, and begin with nothing while the parent is away: what clients change is told between them, too. */
export function watchPending(options: PendingWatchOptions): PendingWatch {
  const { changes, outbound, pending, scope, isWritten, clock, elapsed = () => performance.now(), log } = options
  let callOff: (() => void) | undefined
  let counting: Promise<void> = Promise.resolve()
  let tookMs = 0
  let isStopped = false
  const unsubscribe = changes.onChange(() => isWritten() && look())

  function look(): void {
    if (isStopped) return
    callOff ??= clock.after(Math.max(gatherMs, restFactor * tookMs), () => {
      callOff = undefined
      counting = counting.then(count)
    })
  }

  async function count(): Promise<void> {
    const patterns = scope()
    if (!patterns) return
    const begun = elapsed()
    try {
      await outbound.catchUp()
      await pending.tell(patterns)
      tookMs = elapsed() - begun
    } catch (error) {
      log.warn({ code: codeOf(error), reason: describe(error) }, 'what is to go up was not counted')
    }
  }

  return {
    look,
    async stop() {
      isStopped = true
      unsubscribe()
      callOff?.()
      await counting
    }
  }
}
