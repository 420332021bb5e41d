import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Changes } from './registry/registry.ts'
import type { Outbound } from './sync/outbound.ts'
import { codeOf, describe } from './sync/problems.ts'

export interface LogTrimOptions {
  readonly changes: Pick<Changes, 'trim'>
  readonly outbound: Pick<Outbound, 'catchUp'>
  readonly log: Log
  readonly now?: () => Date
}

export interface LogTrim {
  /** Trims now, as it does every hour. */
  look(): Promise<void>
  /** Ends a trimming under way between two batches. */
  stop(): Promise<void>
}

const everyMs = 3_600_000
const dayMs = 24 * everyMs

/** By age and number alone, as `storage/layout.ts` says. The age is the longest that a message between registries may wait. */
const limits = { days: 90, entries: 100_000 }

/** Keeps the change log from growing for ever: from the start on and every hour, in the background. */
export function startLogTrim({ changes, outbound, log, now = () => new Date() }: LogTrimOptions): LogTrim {
  const stopping = new AbortController()
  let trimming: Promise<void> = Promise.resolve()

  async function trim(): Promise<void> {
    if (stopping.signal.aborted) return
    const before = new Date(now().getTime() - limits.days * dayMs)
    await readFirst()
    try {
      const count = await changes.trim({ before, keep: limits.entries }, stopping.signal)
      if (count > 0) log.info({ entries: count }, 'change log trimmed')
    } catch (error) {
      if (!stopping.signal.aborted) log.warn({ code: codeOf(error), reason: describe(error) }, 'change log not trimmed')
    }
  }

  /**
   * What is to go up needs no parent to be read, and a comparison does not tell all of it: not what was deleted here, nor what was put
   * back. It holds up no trimming.
   */
  async function readFirst(): Promise<void> {
    try {
      await outbound.catchUp()
    } catch (error) {
      log.warn({ code: codeOf(error), reason: describe(error) }, 'change log not read before it was trimmed')
    }
  }

  const look = () => (trimming = trimming.then(trim))
  const timer = setInterval(look, everyMs).unref()
  look()
  return {
    look,
    stop() {
      clearInterval(timer)
      stopping.abort(new Error('the module stops'))
      return trimming
    }
  }
}
