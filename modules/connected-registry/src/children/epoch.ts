import { randomUUID } from 'node:crypto'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'

/**
 * What a registry below agrees on with this one is noted with: the id of this store, until a child has heard of changes that this
 * store does not know. Then it was put back to an older state, as from a backup, and what is absent here says nothing of those
 * changes: it is another epoch, as that of a store that was made anew.
 */
export interface Epoch {
  /** What this store is called among those above and below it, whatever its epoch. */
  readonly storeId: string
  readonly current: string
  /** Durable when it resolves. Once for each start: nobody below makes those beside it compare everything again and again. */
  renew(): Promise<void>
}

export async function loadEpoch(records: RecordStore, storeId: string): Promise<Epoch> {
  const stored = await records.get(keys.epoch)
  let current = typeof stored === 'string' ? stored : storeId
  let renewed: Promise<void> | undefined

  async function renew(): Promise<void> {
    const next = randomUUID()
    await records.commit({ put: [[keys.epoch, next]] })
    current = next
  }

  return {
    storeId,
    get current() {
      return current
    },
    renew: () =>
      (renewed ??= renew().catch((error: unknown) => {
        // A full disk may have room again.
        renewed = undefined
        throw error
      }))
  }
}
