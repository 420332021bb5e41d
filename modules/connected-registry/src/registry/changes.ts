import { setImmediate as turn } from 'node:timers/promises'
import { keys } from '../storage/layout.ts'
import type { Batch, Entry, RecordStore } from '../storage/record-store.ts'
import { getUpdated } from './records.ts'
import type { Change, Changes, LogLimits } from './registry.ts'

/** Few enough that pushes hardly wait for the batch. */
const trimmedAtOnce = 256

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
  const lastTrimmed = await records.get(keys.logTrimmed)
  let trimmed = typeof lastTrimmed === 'number' ? lastTrimmed : 0

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

  async function read(after: number, limit: number): Promise<readonly Change[]> {
    const page = await records.list(keys.changes, { after: keys.change(after), limit })
    return page.map(([, value]) => value as unknown as Change)
  }

  /** Entries go and the mark moves in one batch: a store never lacks entries that it does not say are trimmed. */
  async function trimPage({ before, keep }: LogLimits): Promise<number> {
    const page = await read(0, trimmedAtOnce)
    const from = page.findIndex(({ sequence, at }) => sequence > durable - keep && Date.parse(at) >= before.getTime())
    const old = from < 0 ? page : page.slice(0, from)
    const last = old.at(-1)?.sequence
    if (last === undefined) return 0
    // Before the batch: who reads while it is applied must not take a part for the whole.
    trimmed = Math.max(trimmed, last)
    await records.commit({ put: [[keys.logTrimmed, last]], remove: old.map(({ sequence }) => keys.change(sequence)) })
    return old.length
  }

  return {
    commit,
    now,
    head: () => durable,
    revision: async (repository) => (await getUpdated(records, repository))?.sequence ?? 0,
    read,
    async since(cursor, limit) {
      const page = await read(cursor, limit)
      // Afterwards, as the log may be trimmed meanwhile. No cursor of this log is ahead of what was given out.
      return cursor < trimmed || cursor > given ? 'trimmed' : page
    },
    async trim(limits, signal) {
      let count = 0
      for (;;) {
        signal?.throwIfAborted()
        const removed = await trimPage(limits)
        count += removed
        if (removed < trimmedAtOnce) return count
        await turn()
      }
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
