import { createSeldomWarning, type Log } from '@connected-registry/edge-module/log.ts'

const intervalMs = 10_000

export interface OutageLog {
  report(fields: object): void
}

/** Warns of requests that nobody behind the door answered: one line in ten seconds, with the number of those before it. */
export function createOutageLog(log: Log, now: () => number = () => performance.now()): OutageLog {
  return { report: createSeldomWarning(log, 'request not answered', { intervalMs, now }) }
}
