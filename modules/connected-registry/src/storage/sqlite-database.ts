import { DatabaseSync } from 'node:sqlite'
import { StoreError } from './store-error.ts'

/**
 * The records' schema, versioned by `user_version`: 0 is a new file. A file of a later version is refused,
 * so that going back to an older release cannot harm it. Each version has a folder in `test/fixtures/data-folders`, which this release opens.
 */
export const schemaVersion = 1
const schema = 'CREATE TABLE records (key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID'

// Result codes of SQLite.
const sqliteBusy = 5
const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteNotADatabase = 26

/** The one connection that writes. FULL: each commit is on the disk before it returns. */
export function openWriter(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000 })
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (version > schemaVersion) {
    const message = `the records are of version ${version}, this release knows ${schemaVersion}`
    throw new StoreError(message, { code: 'STORE_NEWER', path })
  }
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216')
  // What a savepoint may have to take back: else in a file below /tmp or /var/tmp, which a container may not be able to write.
  database.exec('PRAGMA temp_store = MEMORY')
  if (version === 0) database.exec(`BEGIN; ${schema}; PRAGMA user_version = ${schemaVersion}; COMMIT`)
  return database
}

export function openReader(path: string): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true, timeout: 5000 })
}

/** What went wrong with the file, in our words. */
export function storeError(path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  switch (resultOf(cause)) {
    case sqliteCorrupt:
    case sqliteNotADatabase:
      return new StoreError('the file is damaged', { code: 'STORE_CORRUPT', path, cause })
    case sqliteBusy:
      return new StoreError('the data volume is in use by another process', { code: 'STORE_IN_USE', path, cause })
    case sqliteFull:
      return new StoreError('the disk is full', { code: 'ENOSPC', path, cause })
    default:
      return new StoreError('SQLite failed', { code: 'STORE_FAILED', path, cause })
  }
}

/** SQLite's primary result code: the low byte of the extended one. */
function resultOf(error: unknown): number | undefined {
  const errcode = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof errcode === 'number' ? errcode & 0xff : undefined
}
