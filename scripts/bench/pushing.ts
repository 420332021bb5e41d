import type { Contender } from './contenders.ts'
import { startOwnProgram } from './own-program.ts'

export interface Pushing {
  /** Resolves to the MiB a second that were pushed, once the pushes under way have ended. */
  stop(): Promise<number>
}

/** From another process, of lower priority than this one, which measures. Resolves once the first blob is on its way. */
export async function startPushing({ port, authorize }: Contender, repository: string): Promise<Pushing> {
  const { send, told, ended } = startOwnProgram('push-blobs.ts', [
    String(port),
    repository,
    await authorize(repository)
  ])
  await told()
  return {
    async stop() {
      send('stop')
      const rate = await told()
      await ended
      return rate as number
    }
  }
}
