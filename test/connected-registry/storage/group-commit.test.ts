import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createGroupCommit, type GroupCommit } from '../../../modules/connected-registry/src/storage/group-commit.ts'
import type { StoredBatch } from '../../../modules/connected-registry/src/storage/record-values.ts'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'

/** A writer that runs `onCommit` for each group; `groups` counts them, `answer` settles all batches of one. */
function writer(t: TestContext, onCommit: string): GroupCommit {
  const program = `
    const { parentPort } = require('node:worker_threads')
    let groups = 0
    const answer = (batches, outcome) => parentPort.postMessage({ kind: 'committed', outcomes: batches.map(outcome) })
    parentPort.on('message', ({ kind, batches }) => {
      if (kind === 'close') return parentPort.close()
      groups++
      ${onCommit}
    })
    parentPort.postMessage({ kind: 'opened' })`
  const startThread = () => new Worker(program, { eval: true })
  const commits = createGroupCommit({ path: '/data/records.sqlite', startThread, restMs: 60_000 })
  t.after(() => commits.close())
  return commits
}

const put = (key: string, value = ''): StoredBatch => ({ put: [[key, value]], remove: [], expect: [] })

/** Tells each batch, as its conflict, which group it was in. */
const tellGroup = `answer(batches, () => ({ kind: 'conflict', key: String(groups) }))`

async function groupsOf(commits: readonly Promise<void>[]): Promise<readonly string[]> {
  const outcomes = await Promise.allSettled(commits)
  return outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { key: string }).key : ''))
}

test('batches of one turn go together, those that come meanwhile in the next group', async (t) => {
  const { opened, commit } = writer(t, tellGroup)
  await opened

  const first = ['a', 'b', 'c'].map((key) => commit(put(key)))
  const underWay = Promise.allSettled(first)
  await Promise.resolve().then(() => undefined)
  const second = ['d', 'e'].map((key) => commit(put(key)))

  await underWay
  assert.deepEqual(await groupsOf([...first, ...second]), ['1', '1', '1', '2', '2'])
})

test('a group is bounded by the number of its batches and by their bytes', async (t) => {
  const { opened, commit } = writer(t, tellGroup)
  await opened

  const many = Array.from({ length: 300 }, (_, index) => commit(put(String(index))))
  const large = Array.from({ length: 3 }, (_, index) => commit(put(String(index), 'x'.repeat(5 * 1024 * 1024))))

  const groups = await groupsOf([...many, ...large])
  assert.deepEqual([groups[0], groups[255], groups[256], groups[299]], ['1', '1', '2', '2'])
  assert.deepEqual(groups.slice(300), ['2', '3', '4'])
})

test('a writer that dies rejects the commits under way, those that wait and all later ones', async (t) => {
  const { opened, commit, close } = writer(
    t,
    `if (groups === 2) throw new Error('the disk is gone')
    answer(batches, () => ({ kind: 'done' }))`
  )
  await opened
  await commit(put('first'))

  const underWay = commit(put('second'))
  await Promise.resolve()
  const waiting = commit(put('third'))

  for (const lost of [underWay, waiting]) await assert.rejects(lost, died)
  await assert.rejects(commit(put('fourth')), died)
  await close()
})

test('a writer that just ends counts as dead too', async (t) => {
  const { opened, commit } = writer(t, 'process.exit(0)')
  await opened

  await assert.rejects(
    commit(put('lost')),
    (error) => error instanceof StoreError && /ended with code 0/.test(String(error.cause))
  )
})

function died(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    error.code === 'STORE_FAILED' &&
    error.message === 'the record writer stopped: /data/records.sqlite' &&
    error.cause instanceof Error &&
    error.cause.message === 'the disk is gone'
  )
}
