import type { Log } from '@connected-registry/edge-module/log.ts'
import type { SyncEngine } from './engine.ts'
import type { Outbound } from './outbound.ts'
import { describe } from './problems.ts'

export interface PushUpOptions {
  readonly outbound: Outbound
  readonly engine: () => Pick<SyncEngine, 'sync'>
  readonly log: Log
  /** What changes within it goes up together, milliseconds. */
  readonly gatherMs: number
  readonly signal: AbortSignal
}

/**
 * Brings what clients changed here to the parent, whenever it is told of a change. However many changes come while a round of hours is
 * waited for, one round follows for all of them.
 */
export function createPushUp({ outbound, engine, log, gatherMs, signal }: PushUpOptions): () => void {
  let isUnderWay = false
  let isAskedAgain = false

  async function pushUp(): Promise<void> {
    await outbound.catchUp()
    const unsent = new Set<string>()
    for await (const [repository, , { refusal }] of outbound.all()) if (!refusal) unsent.add(repository)
    if (unsent.size > 0 && !signal.aborted) await engine().sync({ only: unsent })
  }

  function start(): void {
    isUnderWay = true
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', cancel)
      isAskedAgain = false
      pushUp()
        .catch((error: unknown) => log.warn({ reason: describe(error) }, 'changes not sent'))
        .finally(end)
    }, gatherMs)
    const cancel = () => clearTimeout(timer)
    signal.addEventListener('abort', cancel, { once: true })
  }

  function end(): void {
    isUnderWay = false
    if (isAskedAgain && !signal.aborted) start()
  }

  return () => {
    if (isUnderWay) isAskedAgain = true
    else if (!signal.aborted) start()
  }
}
