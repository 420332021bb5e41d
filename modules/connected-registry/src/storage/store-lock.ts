import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeWritableDirectory } from './durable-files.ts'
import { storeError } from './sqlite-database.ts'

/**
 * One process owns a data volume. The lock is an open exclusive transaction in an empty SQLite file: the kernel drops it with
 * the process, however that ends. A second owner gets StoreError `STORE_IN_USE`. Nobody else may open this file: closing any
 * descriptor of it drops the locks of the whole process (POSIX record locks).
 */
export async function lockStore(path: string): Promise<{ release(): Promise<void> }> {
  await makeWritableDirectory(dirname(path))
  const database = lock(path)
  return {
    async release() {
      if (database.isOpen) database.close()
    }
  }
}

function lock(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw storeError(path, error)
  }
}
