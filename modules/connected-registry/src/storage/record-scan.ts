import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Value } from './record-store.ts'
import { decodeValue, type StoredValue } from './record-values.ts'
import { openReader, schemaVersion, storeError } from './sqlite-database.ts'
import { StoreError } from './store-error.ts'

/** One record, or why it cannot be read. */
export type ScannedRecord =
  | { readonly key: string; readonly value: Value }
  | { readonly key: string; readonly problem: string }

/** Reads the records' file as it is, for whoever examines it: what is wrong is said, not thrown. Changes nothing. */
export interface RecordScan {
  /** What SQLite finds wrong with its own file, in its words; at most twenty. */
  damage(): readonly string[]
  /** In key order, as far as the file can be read. */
  entries(): Iterable<ScannedRecord>
  close(): void
}

/**
 * Throws StoreError where there is no file (`ENOENT`), none of ours (`STORE_CORRUPT`), one of a later release (`STORE_NEWER`), or one
 * whose making was cut short (`STORE_UNFINISHED`): the next start of the registry completes it, a reader cannot.
 */
export function scanRecords(path: string): RecordScan {
  if (!existsSync(path)) throw new StoreError('there is no store', { code: 'ENOENT', path })
  const database = openReader(path)
  try {
    const isEmpty = versionOf(database, path) === 0
    return {
      damage: () => damageOf(database),
      entries: () => (isEmpty ? [] : entriesOf(database)),
      close: () => database.close()
    }
  } catch (error) {
    database.close()
    const isUnfinished = existsSync(`${path}-journal`)
    if (!isUnfinished) throw storeError(path, error)
    throw new StoreError('the store was not made to its end', { code: 'STORE_UNFINISHED', path, cause: error })
  }
}

function versionOf(database: DatabaseSync, path: string): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (version <= schemaVersion) return version
  throw new StoreError(`the records are of version ${version}, this release knows ${schemaVersion}`, {
    code: 'STORE_NEWER',
    path
  })
}

function damageOf(database: DatabaseSync): readonly string[] {
  try {
    const rows = database.prepare('PRAGMA integrity_check(20)').all()
    return rows.map((row) => String(row.integrity_check)).filter((text) => text !== 'ok')
  } catch (error) {
    return [describe(error)]
  }
}

function* entriesOf(database: DatabaseSync): Generator<ScannedRecord> {
  try {
    for (const row of database.prepare('SELECT key, value FROM records ORDER BY key').iterate()) {
      yield decode(String(row.key), row.value as StoredValue)
    }
  } catch (error) {
    yield { key: '', problem: `the records cannot be read to their end: ${describe(error)}` }
  }
}

function decode(key: string, stored: StoredValue): ScannedRecord {
  try {
    return { key, value: decodeValue(stored) }
  } catch {
    return { key, problem: 'the value is not JSON' }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
