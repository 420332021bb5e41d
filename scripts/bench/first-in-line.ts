import { execFileSync } from 'node:child_process'

/**
 * Does the work of a client, which has a machine of its own in truth, with a processor at once whenever it has something to do
 * (sched(7), SCHED_RR; not what it starts): else its own waits for one are measured as the registry's. Who may not ask for that
 * measures them too, and is told.
 */
export async function firstInLine<T>(work: () => Promise<T>): Promise<T> {
  const isFirst = change(['--rr', '--reset-on-fork', '--pid', '1'])
  if (!isFirst) tellOnce()
  try {
    return await work()
  } finally {
    // Who is not root may change back with the flag kept alone.
    if (isFirst && !change(['--other', '--pid', '0'])) change(['--other', '--reset-on-fork', '--pid', '0'])
  }
}

function change(policy: readonly string[]): boolean {
  try {
    execFileSync('chrt', [...policy, String(process.pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

let isTold = false

function tellOnce(): void {
  if (!isTold) process.stderr.write('not root: a client that waits for a processor waits within what is measured\n')
  isTold = true
}
