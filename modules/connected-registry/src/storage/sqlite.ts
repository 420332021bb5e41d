import { dirname } from 'node:path'
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { makeWritableDirectory, syncDirectory } from './durable-files.ts'
import { createGroupCommit, type GroupCommit } from './group-commit.ts'
import { createKeptValues } from './kept-values.ts'
import type { Batch, Entry, Json, RecordStore, Value } from './record-store.ts'
import { compareKeys, decodeValue, encodeBatch, type StoredValue, upperBound } from './record-values.ts'
import { openReader, storeError } from './sqlite-database.ts'

// A tag and what it points at take about a kilobyte.
const keptBytes = 4 * 1024 * 1024
// A thread holds 6 MiB. It ends before memory is given back at rest (`edge-module/src/rest.ts`), so that what it leaves goes too.
const writerRestMs = 5_000

export interface SqliteOptions {
  /** How long the writer must have had nothing to do before it ends. */
  readonly restMs?: number
}

/**
 * Records in one SQLite file. `get` and `list` answer at once, by prepared statements on this thread; commits are synced by a
 * worker thread, which ends after `restMs` without any. A look-up costs some system calls, so `get` keeps what it reads until a
 * commit touches it: one process owns the file (`store-lock.ts`). Throws StoreError where the file is damaged, of a later release,
 * or cannot be written.
 */
export async function createSqliteRecordStore(path: string, options: SqliteOptions = {}): Promise<RecordStore> {
  const { restMs = writerRestMs } = options
  await makeWritableDirectory(dirname(path))
  const startThread = () => new Worker(new URL('./sqlite-writer.ts', import.meta.url), { workerData: { path } })
  const writer = createGroupCommit({ path, startThread, restMs })
  try {
    await writer.opened
    await syncDirectory(dirname(path))
    return sqliteRecordStore(path, openReader(path), writer)
  } catch (error) {
    await writer.close()
    throw storeError(path, error)
  }
}

function sqliteRecordStore(path: string, reader: DatabaseSync, writer: GroupCommit): RecordStore {
  const kept = createKeptValues(keptBytes)
  const one = prepare(reader, 'SELECT value FROM records WHERE key = ?')
  const page = prepare(reader, 'SELECT key, value FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT ?')

  function read<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw storeError(path, error)
    }
  }

  function look(key: string): Value | undefined {
    const row = read(() => one.get(key)) as unknown as readonly SQLOutputValue[] | undefined
    if (!row) return undefined
    const stored = row[0] as StoredValue
    const value = decodeValue(stored)
    // Bytes cannot be frozen.
    return typeof stored === 'string' ? kept.keep(key, value as Json, key.length + stored.length) : value
  }

  return {
    get: (key) => kept.get(key) ?? look(key),
    list(prefix, { after, limit }) {
      const [from, to] = [firstKey(prefix, after), upperBound(prefix) ?? aboveAllText]
      const rows = read(() =>
        page.all(from, to, Math.max(0, limit))
      ) as unknown as readonly (readonly SQLOutputValue[])[]
      return rows.map(([key, value]): Entry => [key as string, decodeValue(value as StoredValue)])
    },
    commit: (batch) => kept.during(keysOf(batch), () => writer.commit(encodeBatch(batch))),
    wake: writer.wake,
    async close() {
      // The writer is the last to close: the last connection folds the write-ahead log into the file.
      if (reader.isOpen) reader.close()
      await writer.close()
    }
  }
}

function keysOf({ put = [], remove = [] }: Batch): readonly string[] {
  return [...put.map(([key]) => key), ...remove]
}

/** SQLite orders every text before every blob. */
const aboveAllText = new Uint8Array(0)

/** No text is between a key and the same key followed by U+0000. */
function firstKey(prefix: string, after: string | undefined): string {
  const next = `${after}\0`
  return after === undefined || compareKeys(next, prefix) < 0 ? prefix : next
}

/** Rows as arrays: an object for each row costs more than the look-up. */
function prepare(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  return statement
}
