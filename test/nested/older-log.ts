import { DatabaseSync } from 'node:sqlite'
import { keys, storePaths } from '../../modules/connected-registry/src/storage/layout.ts'

const dayMs = 24 * 3_600_000

/** The change log of a registry that is stopped, as it is after so many days in which nothing happened. Nobody waits them. */
export function makeLogOlder(dataVolume: string, days: number): void {
  const database = new DatabaseSync(storePaths(dataVolume).records)
  try {
    const rows = database.prepare('SELECT key, value FROM records WHERE key LIKE ?').all(`${keys.changes}%`)
    const put = database.prepare('UPDATE records SET value = ? WHERE key = ?')
    database.exec('BEGIN')
    for (const { key, value } of rows) {
      const change = JSON.parse(String(value)) as { at: string }
      change.at = new Date(Date.parse(change.at) - days * dayMs).toISOString()
      put.run(JSON.stringify(change), String(key))
    }
    const cursor = database.prepare('SELECT value FROM records WHERE key = ?').get(keys.feedCursor)
    if (cursor) put.run(olderCursor(String(cursor.value), days), keys.feedCursor)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}

/** A cursor ends with the time of the change above that it stands at. */
function olderCursor(value: string, days: number): string {
  return value.replaceAll(/-([a-z0-9]{8})"/g, (_, at) => `-${(Number.parseInt(at, 36) - days * dayMs).toString(36)}"`)
}
