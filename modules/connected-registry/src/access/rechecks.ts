import type { Log } from '@connected-registry/edge-module/log.ts'
import type { NameAndPassword } from './credentials.ts'

/** Asks the parent again about passwords that were used, in the background, one after the other. */
export interface Rechecks {
  /** Due now, or a minute after the parent was last asked about it. Without its password only where that was shown before. */
  used(hash: string, credential?: NameAndPassword): void
  /** The parent was asked just now. */
  asked(credential: NameAndPassword, hash: string): void
  /** Asks about all that was used since. Joins what is under way. */
  run(): Promise<void>
  stop(): Promise<void>
}

export interface RechecksOptions {
  /** Throws where the parent did not say: the password stays due. False: it is on record no longer. */
  readonly check: (credential: NameAndPassword, hash: string) => Promise<boolean>
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly signal: AbortSignal
}

interface Used {
  /** In memory alone: what is on disk is its hash. */
  readonly credential: NameAndPassword
  isDue: boolean
  askedAt: number | undefined
}

const everyMs = 60_000

/** By hash: of a name there may be two passwords. */
export function createRechecks({ check, log, now, signal }: RechecksOptions): Rechecks {
  const passwords = new Map<string, Used>()
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  function used(hash: string, credential?: NameAndPassword): void {
    const known = passwords.get(hash) ?? (credential && { credential, isDue: false, askedAt: undefined })
    if (!known) return
    known.isDue = true
    passwords.set(hash, known)
    const isRested = known.askedAt === undefined || Math.abs(now() - known.askedAt) >= everyMs
    if (isRested && !running) void run()
    else arm()
  }

  function arm(): void {
    if (signal.aborted) return
    timer ??= setTimeout(() => {
      timer = undefined
      void run()
    }, everyMs).unref()
  }

  function run(): Promise<void> {
    running ??= askAll().finally(() => {
      running = undefined
    })
    return running
  }

  async function askAll(): Promise<void> {
    for (const [hash, one] of [...passwords]) {
      if (!one.isDue || signal.aborted) continue
      one.isDue = false
      one.askedAt = now()
      try {
        if (!(await check(one.credential, hash))) passwords.delete(hash)
      } catch (error) {
        one.isDue = true
        if (!signal.aborted)
          log.info({ token: one.credential.name, reason: String(error) }, 'client token not confirmed')
        arm()
      }
    }
  }

  return {
    used,
    asked(credential, hash) {
      passwords.set(hash, { credential, isDue: false, askedAt: now() })
    },
    run,
    async stop() {
      clearTimeout(timer)
      await running
    }
  }
}
