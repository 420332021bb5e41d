import type { Log } from '@connected-registry/edge-module/log.ts'

const intervalMs = 10_000

export interface OutageLog {
  report(fields: object): void
}

/** Warns of requests that nobody behind the door answered: one line in ten seconds, with the number of those before it. */
export function createOutageLog(log: Log, now: () => number = () => performance.now()): OutageLog {
  let nextAt = 0
  let unreported = 0
  return {
    report(fields) {
      if (now() < nextAt) {
        unreported += 1
        log.debug(fields, 'request not answered')
        return
      }
      log.warn({ ...fields, unreported }, 'request not answered')
      nextAt = now() + intervalMs
      unreported = 0
    }
  }
}
