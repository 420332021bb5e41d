import { type DestinationStream, pino } from 'pino'

/** JSON lines: `log.info({ repository, digest }, 'manifest pushed')`, an object first, then a short past-tense sentence. */
export interface Log {
  level: string
  debug: LogFunction
  info: LogFunction
  warn: LogFunction
  error: LogFunction
  child(bindings: Record<string, unknown>): Log
}

interface LogFunction {
  (fields: object, message: string): void
  (message: string): void
}

/** ACR's log levels and pino's. */
const levels = { Debug: 'debug', Information: 'info', Warning: 'warn', Error: 'error', None: 'silent' } as const
export type LogLevel = keyof typeof levels
export const logLevels = Object.keys(levels) as readonly LogLevel[]

export interface LogOptions {
  /** The module's name, `module` in every line. */
  readonly module: string
  readonly level?: LogLevel
  /** Default: standard output. */
  readonly destination?: DestinationStream
}

export function createLog({ module, level = 'Information', destination }: LogOptions): Log {
  const options = {
    level: levels[level],
    base: { module },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: (error: unknown) => describeError(error) }
  }
  // Each line is written before the call returns: a process that ends after its last words must not lose them.
  return pino(options, destination ?? pino.destination({ sync: true }))
}

const causeLimit = 5

/**
 * What an error says, and where. Nothing else that it carries: a parser's error holds the bytes it met, a request's the headers
 * it was sent with, and so a password or a signed link.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error)
  const { name, message, stack, cause } = error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const isTold = cause !== undefined && depth < causeLimit
  return { type: name, code, message, stack, ...(isTold && { cause: describeError(cause, depth + 1) }) }
}

export function setLogLevel(log: Log, level: LogLevel): void {
  log.level = levels[level]
}

export interface SeldomOptions {
  readonly intervalMs: number
  /** Milliseconds that only grow. */
  readonly now: () => number
}

/** Warns of what clients cause again and again: one line in an interval, with the number of those before it. */
export function createSeldomWarning(
  log: Log,
  message: string,
  { intervalMs, now }: SeldomOptions
): (fields: object) => void {
  let nextAt = Number.NEGATIVE_INFINITY
  let unreported = 0
  return (fields) => {
    if (now() < nextAt) {
      unreported += 1
      log.debug(fields, message)
      return
    }
    log.warn({ ...fields, unreported }, message)
    nextAt = now() + intervalMs
    unreported = 0
  }
}
