import assert from 'node:assert/strict'
import { open, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createSqliteRecordStore, type SqliteOptions } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { openWriter, storeError } from '../../../modules/connected-registry/src/storage/sqlite-database.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { persistentRecordStoreContract } from '../../contracts/record-restart.ts'
import { recordStoreContract } from '../../contracts/record-store.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { temporaryFolder } from './temporary-folder.ts'

recordStoreContract('sqlite', async (t) => (await openStore(t)).store)
persistentRecordStoreContract('sqlite', (t) => openStore(t))
persistentRecordStoreContract('sqlite, its writer at rest', (t) => openStore(t, { restMs: 0 }))

async function openStore(t: TestContext, options?: SqliteOptions) {
  const path = join(await temporaryFolder(), 'registry', 'records.sqlite')
  let store = await createSqliteRecordStore(path, options)
  t.after(() => store.close())
  const reopen = async () => {
    await store.close()
    store = await createSqliteRecordStore(path, options)
    return store
  }
  return { store, path, reopen }
}

test('records are read at once, without a promise', async (t) => {
  const { store } = await openStore(t)

  await store.commit({ put: [['a', { x: 1 }]] })

  assert.deepEqual(store.get('a'), { x: 1 })
  assert.deepEqual(store.list('', { limit: 1 }), [['a', { x: 1 }]])
})

test('the writer keeps a write-ahead log and syncs every commit', async (t) => {
  const writer = openWriter(join(await temporaryFolder(), 'records.sqlite'))
  t.after(() => writer.close())

  assert.equal(writer.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal')
  assert.equal(writer.prepare('PRAGMA synchronous').get()?.synchronous, 2)
})

test('the writer needs no room outside the data folder, not even to take back a large batch', async (t) => {
  const path = join(await temporaryFolder(), 'records.sqlite')
  const writer = openWriter(path)
  t.after(() => writer.close())
  const put = writer.prepare('INSERT OR REPLACE INTO records VALUES (?, ?)')
  const putAll = (value: string) => {
    for (let key = 0; key < 200; key++) put.run(`${key}`, value.repeat(2000))
  }
  putAll('a')

  writer.exec('BEGIN; SAVEPOINT batch')
  putAll('b')
  const opened = await openFilesOf('sqlite', 'etilqs_')
  writer.exec('ROLLBACK TO batch; COMMIT')

  assert.deepEqual([...new Set(opened)].sort(), [path, `${path}-shm`, `${path}-wal`])
  assert.equal(String(writer.prepare('SELECT value FROM records WHERE key = ?').get('0')?.value)[0], 'a')
})

/** Of this process, those with one of these words in their name. `etilqs_` is what SQLite calls files for its own use. */
async function openFilesOf(...words: readonly string[]): Promise<string[]> {
  const links = await readdir('/proc/self/fd')
  const files = await Promise.all(links.map((fd) => readlink(join('/proc/self/fd', fd)).catch(() => '')))
  return files.filter((file) => words.some((word) => file.includes(word)))
}

test('a disk without room for records is named as such, not as a failure of SQLite', async (t) => {
  const path = join(await temporaryFolder(), 'records.sqlite')
  const writer = openWriter(path)
  t.after(() => writer.close())
  writer.exec('PRAGMA max_page_count = 4')

  const insert = () => writer.prepare('INSERT INTO records VALUES (?, ?)').run('a', Buffer.alloc(1024 * 1024))

  assert.throws(insert, (error) => storeError(path, error).code === 'ENOSPC')
})

test('a commit is read by other connections as soon as it resolves', async (t) => {
  const { store, path } = await openStore(t)
  const elsewhere = new DatabaseSync(path, { readOnly: true })
  t.after(() => elsewhere.close())

  await store.commit({ put: [['a', 1]] })

  assert.equal(elsewhere.prepare('SELECT value FROM records').get()?.value, '1')
})

test('the write-ahead log stays small while records are written over and over', async (t) => {
  const { store, path } = await openStore(t)
  const mebibyte = randomBytes('mebibyte', 1024 * 1024)

  for (let turn = 0; turn < 64; turn++) await store.commit({ put: [['a', mebibyte]] })

  assert.ok((await stat(`${path}-wal`)).size < 24 * 1024 * 1024)
})

test('a closed store leaves one file', async (t) => {
  const { store, path } = await openStore(t)
  await store.commit({ put: [['a', 1]] })

  await store.close()

  assert.deepEqual(await readdir(dirname(path)), ['records.sqlite'])
})

test('a file that is no database is refused and named', async () => {
  const path = join(await temporaryFolder(), 'records.sqlite')
  await writeFile(path, randomBytes('noise', 8192))

  await assert.rejects(createSqliteRecordStore(path), isStoreError('STORE_CORRUPT', path))
})

test('a damaged page fails the read that meets it, and the file is named', async (t) => {
  const { store, path } = await openStore(t)
  const keys = Array.from({ length: 2000 }, (_, index) => `key:${String(index).padStart(5, '0')}`)
  await store.commit({ put: keys.map((key) => [key, key.repeat(10)]) })
  await store.close()
  await overwritePages(path)

  const damaged = await createSqliteRecordStore(path)
  t.after(() => damaged.close())

  assert.throws(() => readAll(damaged), isStoreError('STORE_CORRUPT', path))
})

test('a file of a later release is refused, and stays as it is', async (t) => {
  const { store, path } = await openStore(t)
  await store.close()
  const later = new DatabaseSync(path)
  later.exec('PRAGMA user_version = 2')
  later.close()
  const before = await readFile(path)

  await assert.rejects(createSqliteRecordStore(path), isStoreError('STORE_NEWER', path))

  assert.ok(before.equals(await readFile(path)))
})

test('a folder that cannot be made is named', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'registry'), '')

  const opening = createSqliteRecordStore(join(folder, 'registry', 'deeper', 'records.sqlite'))

  await assert.rejects(opening, isStoreError('ENOTDIR', join(folder, 'registry', 'deeper')))
})

test('a batch that SQLite refuses fails alone; those committed with it hold', async (t) => {
  const { store, path } = await openStore(t)
  const other = new DatabaseSync(path)
  other.exec(
    "CREATE TRIGGER refuse BEFORE INSERT ON records WHEN NEW.key = 'refused' BEGIN SELECT RAISE(ABORT, 'no'); END"
  )
  other.close()

  const outcomes = await Promise.allSettled([
    store.commit({ put: [['before', 1]] }),
    store.commit({
      put: [
        ['half', 1],
        ['refused', 1]
      ],
      remove: ['before']
    }),
    store.commit({ put: [['after', 1]] })
  ])

  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled']
  )
  assert.deepEqual(store.list('', { limit: 10 }), [
    ['after', 1],
    ['before', 1]
  ])
})

function isStoreError(code: string, path: string) {
  return (error: unknown) => error instanceof StoreError && error.code === code && error.message.includes(path)
}

/** Noise over everything behind the first two pages. */
async function overwritePages(path: string): Promise<void> {
  await using handle = await open(path, 'r+')
  const { size } = await handle.stat()
  await handle.write(randomBytes('damage', size - 8192), 0, size - 8192, 8192)
}

function readAll(store: RecordStore): void {
  store.list('', { limit: 10_000 })
}
