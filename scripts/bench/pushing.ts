import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contenders.ts'

export interface Pushing {
  /** Resolves to the MiB a second that were pushed, once the pushes under way have ended. */
  stop(): Promise<number>
}

/** From another process, of lower priority than this one, which measures. Resolves once the first blob is on its way. */
export async function startPushing({ port, authorize }: Contender, repository: string): Promise<Pushing> {
  const program = fileURLToPath(new URL('./programs/push-blobs.ts', import.meta.url))
  const child = fork(program, [String(port), repository, await authorize(repository)])
  const ended = once(child, 'exit')
  await Promise.race([once(child, 'message'), ended.then(tooSoon)])
  return {
    async stop() {
      const told = once(child, 'message')
      child.send('stop')
      const [rate] = await Promise.race([told, ended.then(tooSoon)])
      await ended
      return rate
    }
  }
}

function tooSoon(): never {
  throw new Error('whoever pushes has ended')
}
