import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** One line of a module's log. */
export interface LogLine {
  readonly module: string
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

/** A module as its container would run it: a process with nothing but the variables of its image and those it is given. */
export interface ModuleProcess {
  readonly name: string
  readonly pid: number | undefined
  /** Resolves when the module says that it serves; rejects when it ends before. */
  start(): Promise<void>
  /** Resolves with the exit code, null after SIGKILL. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  restart(): Promise<void>
  /** Every line so far. */
  readonly lines: readonly LogLine[]
  /** The first line, past or to come, that fits. */
  line(predicate: (line: LogLine) => boolean, signal: AbortSignal): Promise<LogLine>
  readonly events: EventEmitter<{ line: [LogLine]; exit: [code: number | null] }>
}

export interface ModuleProcessOptions {
  readonly name: string
  readonly main: URL
  readonly environment: Readonly<Record<string, string>>
  /** What runs its program, in place of this very Node: a command and its first arguments. */
  readonly command?: readonly [string, ...string[]]
  /** Folders that its environment names. */
  readonly folders?: readonly string[]
  /** The message of the line that says it serves. */
  readonly ready: string
}

/** How a module is run. */
export interface Program {
  /** Before each run. */
  prepare?(): Promise<void>
  run(): ChildProcess
  signal(child: ChildProcess, signal: NodeJS.Signals): void
}

/** What the images of the modules set, as their Dockerfiles say: what tests and the bench see is what a device runs. */
export const imageEnvironment = { NODE_OPTIONS: '--max-semi-space-size=2 --expose-gc', MALLOC_ARENA_MAX: '2' } as const
/** Where processes of one kind keep what Node compiled (NODE_COMPILE_CACHE); goes with the packages it is compiled from. */
export const compileCache = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url))

const startTimeoutMs = 60_000
const lineLimit = 20_000

export function createModuleProcess({ name, main, environment, ready, command }: ModuleProcessOptions): ModuleProcess {
  const [program, ...first] = command ?? [process.execPath]
  const arguments_ = [...first, '--disable-warning=DEP0060', fileURLToPath(main)]
  const env = { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: compileCache, ...imageEnvironment, ...environment }
  return followProgram(name, ready, {
    run: () => spawn(program, arguments_, { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    signal: (child, signal) => void child.kill(signal)
  })
}

/** A module by whatever program runs it: what that writes is its log, and `ready` the message of the line that says it serves. */
export function followProgram(name: string, ready: string, program: Program): ModuleProcess {
  const events = new EventEmitter<{ line: [LogLine]; exit: [code: number | null] }>().setMaxListeners(0)
  const lines: LogLine[] = []
  let child: ChildProcess | undefined

  function take(text: string): void {
    const line = readLine(name, text)
    if (lines.length === lineLimit) lines.shift()
    lines.push(line)
    events.emit('line', line)
  }

  async function start(): Promise<void> {
    if (program.prepare) await program.prepare()
    const started = program.run()
    child = started
    for (const input of [started.stdout, started.stderr]) if (input) createInterface({ input }).on('line', take)
    started.once('exit', (code) => {
      if (child === started) child = undefined
      events.emit('exit', code)
    })
    const before = lines.length
    const settled = new AbortController()
    const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(startTimeoutMs)])
    const ended = once(started, 'exit', { signal }).then(([code]) => {
      const last = lines.slice(before).map((line) => line.msg)
      throw new Error(`${name} ended with ${code} before it served: ${last.join(' | ')}`)
    })
    await Promise.race([find(({ msg }) => msg === ready, before, signal), ended]).finally(() => settled.abort())
  }

  // A listener that stays: several lines often come in one piece.
  async function find(predicate: (line: LogLine) => boolean, from: number, signal: AbortSignal): Promise<LogLine> {
    const past = lines.slice(from).find(predicate)
    if (past) return past
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>()
    const look = (line: LogLine) => predicate(line) && resolve(line)
    const abort = () => reject(signal.reason)
    events.on('line', look)
    signal.addEventListener('abort', abort, { once: true })
    return promise.finally(() => {
      events.off('line', look)
      signal.removeEventListener('abort', abort)
    })
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const running = child
    if (!running || running.exitCode !== null) return null
    const exited = once(running, 'exit')
    program.signal(running, signal)
    const [code] = await exited
    return code as number | null
  }

  return {
    name,
    get pid() {
      return child?.pid
    },
    start,
    stop,
    async restart() {
      await stop()
      await start()
    },
    lines,
    line: (predicate, signal) => find(predicate, 0, signal),
    events
  }
}

/** What is no JSON, such as a crash, is a line all the same. */
function readLine(module: string, text: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && 'msg' in parsed) return parsed as LogLine
  } catch {
    // Told below as it is.
  }
  return { module, level: 'error', msg: text }
}
