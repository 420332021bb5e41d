import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'

export interface RunningProgram {
  /** The next line it prints. Throws where it ends instead. */
  nextLine(): Promise<string>
  /** Kills it as a power cut would, and resolves to all lines it printed before that were not taken yet. */
  kill(): Promise<readonly string[]>
}

/** One of the programs beside this file, in a process of its own. */
export function runProgram(t: TestContext, name: string, ...args: readonly string[]): RunningProgram {
  const program = join(import.meta.dirname, 'programs', name)
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

  async function kill(): Promise<readonly string[]> {
    child.kill('SIGKILL')
    await ended
    const rest: string[] = []
    for (let line = await lines.next(); !line.done; line = await lines.next()) rest.push(line.value)
    return rest
  }

  t.after(kill)
  return {
    async nextLine() {
      const line = await lines.next()
      if (line.done) throw new Error(`${name} ended by itself`)
      return line.value
    },
    kill
  }
}
