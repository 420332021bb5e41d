import { randomUUID } from 'node:crypto'
import { keys } from '../storage/layout.ts'
import type { RecordStore, Value } from '../storage/record-store.ts'

/**
 * What a registry below agrees on with this one is noted with: the id of this store, until a child has heard of changes or of an epoch
 * that this store does not know. Then it was put back to an older state, as from a backup, and what is absent here says nothing of
 * those changes: it is another epoch, as that of a store that was made anew.
 */
export interface Epoch {
  /** What this store is called among those above and below it, whatever its epoch. */
  readonly storeId: string
  readonly current: string
  /** Whether the epoch of a cursor, which may name a change behind it, is or was one of this store. */
  knows(shown: string): boolean
  /**
   * Durable when it resolves. Once for each start: nobody below makes those beside it compare everything again and again. `shown`:
   * the epoch of a cursor for which it is done, which is known from then on.
   */
  renew(shown?: string): Promise<void>
}

type EpochRecord = {
  readonly current: string
  readonly former: readonly string[]
}

const formerLimit = 100

export async function loadEpoch(records: RecordStore, storeId: string): Promise<Epoch> {
  let { current, former } = readEpoch(await records.get(keys.epoch), storeId)
  let renewed: Promise<void> | undefined

  async function renew(shown: string | undefined): Promise<void> {
    const known = [...former, current, ...(shown === undefined ? [] : [withoutChange(shown)])]
    const next: EpochRecord = { current: randomUUID(), former: known.slice(-formerLimit) }
    await records.commit({ put: [[keys.epoch, next]] })
    ;({ current, former } = next)
  }

  return {
    storeId,
    get current() {
      return current
    },
    knows: (shown) => [storeId, current, ...former].some((epoch) => shown === epoch || shown.startsWith(`${epoch}-`)),
    renew: (shown) =>
      (renewed ??= renew(shown).catch((error: unknown) => {
        // A full disk may have room again.
        renewed = undefined
        throw error
      }))
  }
}

/** What is left where there is none is still what its cursors begin with. */
function withoutChange(shown: string): string {
  return shown.replace(/-[^-]*$/, '')
}

/** Alone, without those before it, is how it was noted at first. */
function readEpoch(stored: Value | undefined, storeId: string): EpochRecord {
  if (typeof stored === 'object') return stored as EpochRecord
  return { current: stored === undefined ? storeId : String(stored), former: [] }
}
