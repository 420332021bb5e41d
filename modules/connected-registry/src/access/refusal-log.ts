import type { Log } from '@connected-registry/edge-module/log.ts'
import { isTokenName } from './tokens.ts'

/** Somebody was not let in. Never the secret that was shown. */
export interface Refusal {
  /** As it was given: anybody's text. Left out where it was not readable. */
  readonly name?: string
  readonly address: string
  readonly reason: string
}

export interface RefusalLog {
  note(refusal: Refusal): void
}

export interface RefusalLogOptions {
  /** Undefined: nobody is told. */
  readonly log: Log | undefined
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const windowMs = 60_000
const linesPerWindow = 20

/** `login refused`, at most twenty lines a minute; the first one of the next minute says how many were left out. */
export function createRefusalLog({ log, now = Date.now }: RefusalLogOptions): RefusalLog {
  let windowEnd = 0
  let lines = 0
  let leftOut = 0

  function note({ name, address, reason }: Refusal): void {
    if (now() >= windowEnd || now() < windowEnd - windowMs) {
      windowEnd = now() + windowMs
      lines = 0
    }
    lines += 1
    if (lines > linesPerWindow) {
      leftOut += 1
      return
    }
    log?.warn({ name: printable(name), address, reason, ...(leftOut > 0 && { leftOut }) }, 'login refused')
    leftOut = 0
  }

  return { note }
}

// What is no token's name may be a password in the wrong field.
function printable(name: string | undefined): string | undefined {
  return name !== undefined && isTokenName(name) ? name : undefined
}
