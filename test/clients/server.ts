import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A server that a test needs: started by it, in a folder of its own, and ended by it. */
export interface Server {
  /** In order; at once where it takes too long. */
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly program: string
  readonly words: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What its log says when it serves. */
  readonly ready: RegExp
}

const startLimitMs = 60_000
const stopLimitMs = 15_000
const keptLines = 10

/** Resolves when it serves. */
export async function startServer({ program, words, env, ready }: ServerOptions): Promise<Server> {
  const child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = () => end(child)
  try {
    await serving(child, ready)
    return { stop }
  } catch (cause) {
    await stop()
    throw new Error(`${program} did not start`, { cause })
  }
}

/** The rest of the log is read and dropped, so that the pipe never fills. */
async function serving(child: ChildProcess, ready: RegExp): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const last: string[] = []
  createInterface({ input: child.stderr! })
    .on('line', (line) => {
      if (ready.test(line)) resolve()
      last.push(line)
      if (last.length > keptLines) last.shift()
    })
    .on('close', () => reject(new Error(`it ended: ${last.join('\n')}`)))
  const timer = setTimeout(() => reject(new Error(`it does not serve: ${last.join('\n')}`)), startLimitMs)
  await promise.finally(() => clearTimeout(timer))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  child.kill('SIGTERM')
  await gone.finally(() => clearTimeout(timer))
}
