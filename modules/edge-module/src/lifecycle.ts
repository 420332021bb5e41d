import { flushCompileCache } from 'node:module'
import { within } from './deadline.ts'
import type { Log } from './log.ts'
import { collectAtRest } from './rest.ts'

export interface Running {
  /** Drains and closes; resolves when nothing is left to do. */
  stop(): Promise<void>
}

export interface ModuleOptions {
  readonly name: string
  readonly log: Log
  readonly start: () => Promise<Running>
  readonly drainTimeoutMs: number
  /** How long it must have had nothing to do before memory is given back. */
  readonly restMs?: number
}

const defaultRestMs = 5_000

/**
 * Runs a module until SIGTERM or SIGINT, then stops it once. The process ends with code 0 after a clean stop, with 1
 * when it did not start, did not stop in time, or met an error that nobody caught: the supervisor starts it again.
 */
export function runModule({ name, log, start, drainTimeoutMs, restMs = defaultRestMs }: ModuleOptions): void {
  let stopping = false
  // A report that an operator asks Node for would hold the environment, and with it connection strings and keys.
  process.report.excludeEnv = true

  function die(message: string): (error: unknown) => never {
    return (error) => {
      log.error({ err: error instanceof Error ? error : new Error(String(error)) }, message)
      process.exit(1)
    }
  }

  async function stop(signal: NodeJS.Signals): Promise<void> {
    if (stopping) return
    stopping = true
    log.info({ signal }, `${name} stopping`)
    const drained = running.then((module) => module.stop())
    await within(drainTimeoutMs, 'drain', drained).catch(die(`${name} did not stop cleanly`))
    log.info(`${name} stopped`)
    process.exit(0)
  }

  process.on('uncaughtException', die('uncaught exception'))
  process.on('unhandledRejection', die('unhandled rejection'))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  const running = Promise.resolve().then(start)
  // What was compiled is kept now (NODE_COMPILE_CACHE): a device whose power is cut ends without a word.
  running.then(() => flushCompileCache(), die(`${name} did not start`))
  collectAtRest(restMs)
}
