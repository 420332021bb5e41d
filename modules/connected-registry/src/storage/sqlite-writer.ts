import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { type StoredBatch, type StoredValue, sameValue } from './record-values.ts'
import { openWriter, storeError } from './sqlite-database.ts'
import type { Failure, Outcome, WriterReply, WriterRequest } from './writer-thread.ts'

// The worker thread that owns the connection which writes: SQLite blocks while the disk syncs, and checkpoints run here too.

const { path } = workerData as { readonly path: string }

function start(): void {
  const database = open()
  if (!database) return
  const commitGroup = prepareGroup(database)
  parentPort?.on('message', (request: WriterRequest) => {
    if (request.kind === 'commit') {
      answer({ kind: 'committed', outcomes: commitGroup(request.batches) })
    } else {
      database.close()
      parentPort?.close()
    }
  })
  answer({ kind: 'opened' })
}

function open(): DatabaseSync | undefined {
  try {
    return openWriter(path)
  } catch (error) {
    answer({ kind: 'refused', failure: failureOf(error) })
    return undefined
  }
}

function answer(reply: WriterReply): void {
  parentPort?.postMessage(reply)
}

/** One transaction and one sync for the whole group; each batch in it holds or fails alone. */
function prepareGroup(database: DatabaseSync): (batches: readonly StoredBatch[]) => readonly Outcome[] {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const applyBatch = prepareBatch(database)
  return (batches) => {
    try {
      begin.run()
      const outcomes = batches.map(applyBatch)
      commit.run()
      return outcomes
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      return batches.map(() => ({ kind: 'failed', failure: failureOf(error) }))
    }
  }
}

function prepareBatch(database: DatabaseSync): (batch: StoredBatch) => Outcome {
  const select = database.prepare('SELECT value FROM records WHERE key = ?')
  const insert = database.prepare('INSERT OR REPLACE INTO records (key, value) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM records WHERE key = ?')
  const save = database.prepare('SAVEPOINT batch')
  const release = database.prepare('RELEASE batch')

  return (batch) => {
    for (const [key, value] of batch.expect) {
      const current = select.get(key)?.value as StoredValue | undefined
      if (!sameValue(current, value)) return { kind: 'conflict', key }
    }
    save.run()
    try {
      for (const key of batch.remove) remove.run(key)
      for (const [key, value] of batch.put) insert.run(key, value)
      release.run()
      return { kind: 'done' }
    } catch (error) {
      // SQLite may have rolled back everything itself (a full disk); then this throws, and the whole group fails.
      database.exec('ROLLBACK TO batch; RELEASE batch')
      return { kind: 'failed', failure: failureOf(error) }
    }
  }
}

function failureOf(error: unknown): Failure {
  const { reason, code, cause } = storeError(path, error)
  return { reason, code, cause }
}

start()
