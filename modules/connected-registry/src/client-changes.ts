import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Changes } from './registry/registry.ts'
import { describe } from './sync/problems.ts'

const pageSize = 100
const words = { push: 'manifest pushed', delete: 'manifest deleted', tag: 'tag moved', untag: 'tag removed' } as const

/** A line for each change that a client made, with the name of its token. What sync changes it tells itself. */
export function logClientChanges(changes: Changes, log: Log): () => void {
  let told = changes.head()
  let telling: Promise<void> = Promise.resolve()

  async function tell(): Promise<void> {
    for (;;) {
      const page = await changes.read(told, pageSize)
      for (const { sequence, action, repository, tag, digest, origin } of page) {
        told = sequence
        const token = origin.startsWith('client:') ? origin.slice('client:'.length) : undefined
        if (token !== undefined) log.info({ repository, tag, digest, token }, words[action])
      }
      if (page.length < pageSize) return
    }
  }

  return changes.onChange(() => {
    telling = telling.then(tell).catch((error: unknown) => log.warn({ reason: describe(error) }, 'changes not logged'))
  })
}
