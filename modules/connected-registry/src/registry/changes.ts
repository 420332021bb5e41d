import { keys } from '../storage/layout.ts'
import type { Batch, Entry, RecordStore } from '../storage/record-store.ts'
import { getUpdated } from './records.ts'
import type { Change, Changes } from './registry.ts'

/** A change that has no place in the log yet. */
export type NewChange = Omit<Change, 'sequence' | 'at'>

/** The change log and its one writer. */
export interface ChangeLog extends Changes {
  /** Commits the batch together with its log entries, in their order. */
  commit(changes: readonly NewChange[], batch: Batch): Promise<void>
  /** The clock of the entries, and of everything else that is written with them. */
  now(): Date
}

/** Goes on after the last sequence the store knows. */
export async function createChangeLog(records: RecordStore, now: () => Date): Promise<ChangeLog> {
  const listeners = new Set<(head: number) => void>()
  const stored = await records.get(keys.logHead)
  let durable = typeof stored === 'number' ? stored : 0
  let given = durable

  // Sequences are given out and the batch is handed over in one go, and the store applies batches in that order: so no reader
  // sees an entry before the ones in front of it. The numbers of a batch that fails are skipped.
  async function commit(changes: readonly NewChange[], batch: Batch): Promise<void> {
    if (changes.length === 0) return records.commit(batch)
    const at = now().toISOString()
    const entries = changes.map((change): Change => ({ sequence: ++given, ...change, at }))
    const head = given
    const put = entries.map((entry) => [keys.change(entry.sequence), { ...entry }] as const)
    await records.commit({ ...batch, put: [...(batch.put ?? []), ...put, [keys.logHead, head], ...updates(entries)] })
    publish(head)
  }

  function publish(head: number): void {
    durable = Math.max(durable, head)
    // Apart from the writer: a listener that fails must not make a change that is durable look failed.
    for (const listener of listeners) queueMicrotask(() => listener(durable))
  }

  return {
    commit,
    now,
    head: () => durable,
    revision: async (repository) => (await getUpdated(records, repository))?.sequence ?? 0,
    read: async (after, limit) => {
      const page = await records.list(keys.changes, { after: keys.change(after), limit })
      return page.map(([, value]) => value as unknown as Change)
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

// Nobody expects these records, so that two who write to one repository do not wait for each other over them.
function updates(entries: readonly Change[]): readonly Entry[] {
  const last = new Map(entries.map(({ repository, sequence, at }) => [repository, { sequence, at }]))
  return Array.from(last, ([repository, update]) => [keys.updated(repository), update])
}
