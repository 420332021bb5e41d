import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { createGroupCommit } from '../../../modules/connected-registry/src/storage/group-commit.ts'
import type { StoredBatch } from '../../../modules/connected-registry/src/storage/record-values.ts'
import { temporaryFolder } from './temporary-folder.ts'

const program = new URL('../../../modules/connected-registry/src/storage/sqlite-writer.ts', import.meta.url)

/** Writers of one file, and its reader. `workers`: all that were started; `start` starts the next ones, and may fail. */
async function createWriters(t: TestContext, restMs = 0) {
  const path = join(await temporaryFolder(), 'records.sqlite')
  const workers: Worker[] = []
  const writers = { start: () => new Worker(program, { workerData: { path } }) }
  const startThread = () => {
    const worker = writers.start()
    workers.push(worker)
    return worker
  }
  const commits = createGroupCommit({ path, startThread, restMs })
  t.after(() => commits.close())
  await commits.opened
  // As in the store: a connection that stays, so that no writer that rests is the last one to close.
  const reader = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  t.after(() => reader.isOpen && reader.close())
  recordsOf(reader)
  const ended = () => once(workers.at(-1)!, 'exit')
  return { commits, path, reader, workers, writers, ended }
}

test('a writer that had nothing to do ends, and the next commit starts another', async (t) => {
  const { commits, reader, workers, ended } = await createWriters(t)
  await commits.commit(put('before', '1'))
  await ended()

  await commits.commit(put('after', '2'))

  assert.equal(workers.length, 2)
  assert.deepEqual(recordsOf(reader), { after: '2', before: '1' })
})

test('a writer that has something to do now and then stays', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { commits, workers, ended } = await createWriters(t, 1000)

  for (const key of ['a', 'b', 'c']) {
    await commits.commit(put(key, '1'))
    t.mock.timers.tick(999)
    if (key === 'b') commits.wake()
  }
  assert.equal(workers.length, 1)
  const end = ended()
  t.mock.timers.tick(1)
  await end
})

test('a writer that was woken is open when the commit comes', async (t) => {
  const { commits, workers, ended, reader } = await createWriters(t)
  await ended()

  commits.wake()
  commits.wake()
  await once(workers.at(-1)!, 'message')
  await commits.commit(put('a', '1'))

  assert.equal(workers.length, 2)
  assert.deepEqual(recordsOf(reader), { a: '1' })
})

test('commits that come while a writer ends are taken by the next one, in their order', async (t) => {
  const { commits, reader, workers } = await createWriters(t)
  await commits.commit(follow(0))
  await askedToEnd(workers.at(-1)!)

  commits.wake()
  const running = [1, 2, 3].map((number) => commits.commit(follow(number)))
  assert.equal(workers.length, 1)
  await Promise.all(running)

  assert.equal(workers.length, 2)
  assert.deepEqual(recordsOf(reader), { last: '3' })
})

test('a writer that cannot open again refuses what waits for it; the commit after that tries anew', async (t) => {
  const { commits, path, reader, writers, ended } = await createWriters(t)
  await commits.commit(put('before', '1'))
  await ended()
  const { start } = writers
  writers.start = () => new Worker(program, { workerData: { path: join(path, 'nowhere') } })

  const refused = [commits.commit(put('a', '2')), commits.commit(put('b', '2'))]
  for (const one of refused) await assert.rejects(one, { code: 'STORE_FAILED', path })

  writers.start = start
  await commits.commit(put('c', '3'))
  assert.deepEqual(recordsOf(reader), { before: '1', c: '3' })
})

test('where no thread can be had the commits are told, not who only hinted at them, and the next one tries anew', async (t) => {
  const { commits, reader, writers, ended } = await createWriters(t)
  await ended()
  const { start } = writers
  writers.start = () => {
    throw new Error('no more threads')
  }

  commits.wake()
  await assert.rejects(commits.commit(put('a', '1')), /the record writer stopped/)

  writers.start = start
  await commits.commit(put('b', '2'))
  assert.deepEqual(recordsOf(reader), { b: '2' })
})

test('a writer that dies after a rest is told as the first one is: nothing more is taken', async (t) => {
  const { commits, workers, ended } = await createWriters(t)
  await ended()
  commits.wake()
  await once(workers.at(-1)!, 'message')

  const lost = commits.commit(put('a', '1'))
  await workers.at(-1)!.terminate()

  await assert.rejects(lost, { code: 'STORE_FAILED', reason: 'the record writer stopped' })
  await assert.rejects(commits.commit(put('b', '1')), { code: 'STORE_FAILED', reason: 'the record writer stopped' })
  assert.equal(workers.length, 2)
})

const moments: Readonly<Record<string, (writers: Awaited<ReturnType<typeof createWriters>>) => Promise<unknown>>> = {
  'while its writer rests': ({ ended }) => ended(),
  'while its writer ends': ({ workers }) => askedToEnd(workers.at(-1)!),
  'while its writer ends and another is asked for': async ({ workers, commits }) => {
    await askedToEnd(workers.at(-1)!)
    commits.wake()
  },
  'while its writer starts': async ({ commits, ended }) => {
    await ended()
    commits.wake()
  }
}
for (const [moment, come] of Object.entries(moments)) {
  test(`a store that is closed ${moment} is one file`, async (t) => {
    const writers = await createWriters(t)
    const { commits, path, reader, workers } = writers
    await commits.commit(put('a', '1'))
    await come(writers)

    reader.close()
    await Promise.all([commits.close(), commits.close()])

    assert.deepEqual(await readdir(dirname(path)), ['records.sqlite'])
    assert.ok(workers.every(({ threadId }) => threadId === -1))
    commits.wake()
    await assert.rejects(commits.commit(put('b', '1')), { code: 'STORE_CLOSED' })
    assert.equal(workers.length, 2)
  })
}

test('a commit that was asked for before the close is taken, whatever its writer does', async (t) => {
  const { commits, path, workers, reader } = await createWriters(t)
  await askedToEnd(workers.at(-1)!)

  const committing = commits.commit(put('a', '1'))
  reader.close()
  await commits.close()

  await committing
  const again = new DatabaseSync(path, { readOnly: true })
  t.after(() => again.close())
  assert.deepEqual(recordsOf(again), { a: '1' })
})

test('no commit is lost, repeated or overtaken, wherever writers end and start between them', async (t) => {
  const { commits, reader, workers } = await createWriters(t)
  const act = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit'), count: fc.integer({ min: 1, max: 5 }) }) },
    fc.record({ kind: fc.constantFrom('turns', 'settled', 'ended', 'wake'), count: fc.integer({ min: 1, max: 20 }) })
  )
  let number = 0
  const running: Promise<void>[] = []

  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      for (const { kind, count } of acts) {
        const worker = workers.at(-1)!
        // Each expects the one before: one lost, repeated or overtaken makes it and all after it a conflict.
        if (kind === 'commit') for (let more = count; more > 0; more--) running.push(commits.commit(follow(number++)))
        else if (kind === 'turns') for (let more = count; more > 0; more--) await turn()
        else if (kind === 'wake') commits.wake()
        else await Promise.all(running.splice(0))
        if (kind === 'ended' && worker.threadId !== -1) await once(worker, 'exit')
      }
      await Promise.all(running.splice(0))
      if (number > 0) assert.equal(recordsOf(reader).last, String(number - 1))
    }),
    { numRuns: 30 }
  )
  assert.ok(workers.length > 3, `${workers.length} writers`)
})

/** Resolves in the turn in which it is. */
function askedToEnd(worker: Worker): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const post = worker.postMessage.bind(worker)
  worker.postMessage = (message) => {
    post(message)
    if (message.kind === 'close') resolve()
  }
  return promise
}

function put(key: string, value: string): StoredBatch {
  return { put: [[key, value]], remove: [], expect: [] }
}

function follow(number: number): StoredBatch {
  const before = number === 0 ? undefined : String(number - 1)
  return { put: [['last', String(number)]], remove: [], expect: [['last', before]] }
}

function recordsOf(reader: DatabaseSync): Record<string, unknown> {
  const rows = reader.prepare('SELECT key, value FROM records ORDER BY key').all()
  return Object.fromEntries(rows.map(({ key, value }) => [String(key), value]))
}
