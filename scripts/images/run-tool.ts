import { spawnSync } from 'node:child_process'

const boundMs = 300_000

/** Runs a program of the machine to its end and gives what it printed. Throws an Error that says why it failed. */
export function runTool(command: string, arguments_: readonly string[], folder?: string): string {
  const options = { cwd: folder, encoding: 'utf8', timeout: boundMs, maxBuffer: 64 * 2 ** 20 } as const
  const { error, status, stdout, stderr } = spawnSync(command, arguments_, options)
  if (error) throw new Error(`${command} could not be run: ${error.message}`, { cause: error })
  if (status !== 0) throw new Error(`${command} ${arguments_.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`)
  return stdout
}
