import type { Log } from '@connected-registry/edge-module/log.ts'
import type { IterationSummary } from './status.ts'

export interface Extent {
  readonly complete: boolean
  readonly retryRefused: boolean
  readonly only?: ReadonlySet<string> | undefined
}

export interface Beginning extends Partial<Pick<Extent, 'retryRefused' | 'only'>> {
  readonly until?: Date | undefined
}

export interface Running {
  readonly done: Promise<IterationSummary | undefined>
  readonly abort: AbortController
  /** Which the first one after a start, though it compares everything, does not. */
  readonly retryRefused: boolean
  readonly isPartial: boolean
}

/** One that is being cut, or that does less than is asked for, is only waited for. */
export function isJoined({ abort, retryRefused, isPartial }: Running, isCompleteWanted: boolean): boolean {
  return !isPartial && !abort.signal.aborted && (retryRefused || !isCompleteWanted)
}

export function logOutcome(log: Log, last: IterationSummary): void {
  const { correlationId, result, artifacts, bytes, removed, sent } = last
  const changed = artifacts + removed + sent.artifacts > 0 || result !== 'Succeeded'
  log[changed ? 'info' : 'debug']({ correlationId, result, artifacts, bytes, removed, sent }, 'iteration ended')
}

/** Why an iteration was cut. It is no failure. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly code: 'WINDOW_CLOSED' | 'SETTINGS_CHANGED' | 'STOPPING'

  constructor(code: Interruption['code']) {
    super(`the iteration was cut: ${code}`)
    this.code = code
  }
}
