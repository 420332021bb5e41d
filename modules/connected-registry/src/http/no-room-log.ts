import { createSeldomWarning, type Log } from '@connected-registry/edge-module/log.ts'

const intervalMs = 60_000

/** One of the requests for which there was no room on the disk. */
export interface NoRoom {
  readonly method: string
  readonly path: string
  readonly code: string | undefined
  readonly reason: string
}

/** Clients try again and again: one line a minute, with the number of those before it. That it is so, a status detail says. */
export function createNoRoomLog(log: Log, now: () => number = () => performance.now()): (refused: NoRoom) => void {
  return createSeldomWarning(log, 'request refused: no room', { intervalMs, now })
}
