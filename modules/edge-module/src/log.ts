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
    formatters: { level: (label: string) => ({ level: label }) }
  }
  // Each line is written before the call returns: a process that ends after its last words must not lose them.
  return pino(options, destination ?? pino.destination({ sync: true }))
}

export function setLogLevel(log: Log, level: LogLevel): void {
  log.level = levels[level]
}
