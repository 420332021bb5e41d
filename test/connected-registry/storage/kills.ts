import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobStore, ByteRange } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import type { Entry, RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { openStateFile } from '../../../modules/connected-registry/src/storage/state-file.ts'
import { inChunks, listBlobs, readBlob } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { type CountState, emptyCount, parseCount } from './count-state.ts'
import { numberedBlob } from './numbered-blob.ts'
import { pairOf } from './pair-of-records.ts'
import { runProgram } from './run-program.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Runs the program, kills it after a random number of lines, and gives all lines it had printed: what it acknowledged. */
async function runAndKill(t: TestContext, most: number, name: string, ...args: readonly string[]) {
  const program = runProgram(t, name, ...args)
  const lines: string[] = []
  for (let count = randomInt(1, most); count > 0; count--) lines.push(await program.nextLine())
  return [...lines, ...(await program.kill())]
}

export interface KillCommitsOptions {
  readonly kills: number
  /** Writers end and start between the commits. */
  readonly rests?: boolean
}

/** Nothing that was acknowledged is lost, and no batch is half there. */
export async function killCommits(t: TestContext, { kills, rests = false }: KillCommitsOptions): Promise<void> {
  const path = join(await temporaryFolder(), 'records.sqlite')
  const [most, more] = rests ? [40, ['rests']] : [400, []]

  for (let turn = 0; turn < kills; turn++) {
    const acknowledged = await runAndKill(t, most, 'commit-records.ts', path, String(turn * 100_000), ...more)

    const store = await createSqliteRecordStore(path)
    const found = wholePairs(store)
    const lost = acknowledged.filter((line) => !found.has(Number(line)))
    assert.deepEqual(lost, [])
    await store.commit({ remove: keysOf(store) })
    await store.close()
  }
}

function keysOf(store: RecordStore): readonly string[] {
  return (store.list('', { limit: 1_000_000 }) as readonly Entry[]).map(([key]) => key)
}

/** Throws where one half of a pair is missing or not as it was written. */
function wholePairs(store: RecordStore): Set<number> {
  const limit = 1_000_000
  const numbers = new Set<number>()
  for (const [, value] of store.list('left:', { limit }) as [string, { number: number }][]) numbers.add(value.number)
  assert.equal((store.list('right:', { limit }) as []).length, numbers.size)
  for (const number of numbers) {
    const { left, right } = pairOf(number)
    assert.deepEqual(store.get(left[0]), left[1])
    assert.ok(Buffer.from(store.get(right[0]) as Uint8Array).equals(right[1] as Uint8Array))
  }
  return numbers
}

/** Nothing that was acknowledged is lost, and nothing is shown that is not whole. */
export async function killUploads(t: TestContext, kills: number): Promise<void> {
  const dataVolume = await temporaryFolder()

  for (let turn = 0; turn < kills; turn++) {
    const acknowledged = await runAndKill(t, 40, 'upload-blobs.ts', dataVolume, String(turn * 100_000))

    const store = await createFilesystemBlobStore(storePaths(dataVolume))
    const found = await listBlobs(store)
    await assertWhole(store, found)
    const lost = acknowledged.filter((line) => !found.includes(digestOf(numberedBlob(Number(line)))))
    assert.deepEqual(lost, [])
    await dropUploads(store, storePaths(dataVolume).uploads)
    for (const digest of found) assert.equal(await store.remove(digest), true)
    await store.close()
  }
}

async function assertWhole(store: BlobStore, digests: readonly Digest[]): Promise<void> {
  for (const digest of digests) {
    const bytes = await readBlob(store, digest, { bufferSize: 1024 * 1024 })
    assert.equal(digestOf(bytes ?? new Uint8Array()), digest)
  }
}

/** What the kill cut is known, and can be cancelled. */
async function dropUploads(store: BlobStore, uploads: string): Promise<void> {
  for (const id of await readdir(uploads)) assert.equal(await store.cancel(id), true)
  assert.deepEqual(await readdir(uploads), [])
}

/** Nothing that was acknowledged is missing, and the upload can be completed. */
export async function killRangedUploads(t: TestContext, kills: number): Promise<void> {
  const bytes = randomBytes('ranged', 20_000_000)

  for (let turn = 0; turn < kills; turn++) {
    const dataVolume = await temporaryFolder()
    const lines = await runAndKill(t, 20, 'append-ranges.ts', dataVolume, String(bytes.length), '700000')
    const [id = '', ...acknowledged] = lines

    const store = await createFilesystemBlobStore(storePaths(dataVolume))
    const state = await store.uploadState(id)
    for (const line of acknowledged) {
      const [at = 0, end = 0] = line.split(' ').map(Number)
      assert.ok(!state?.missing.some(({ first, last }) => first < end && last >= at), `${line} is missing`)
    }
    await fill(store, id, bytes, state?.missing ?? [])
    await store.commit(id, digestOf(bytes))
    await assertWhole(store, [digestOf(bytes)])
    await store.close()
  }
}

/** Only what is missing below the highest byte, and what lies above it. */
async function fill(store: BlobStore, id: string, bytes: Uint8Array, missing: readonly ByteRange[]): Promise<void> {
  for (const { first, last } of missing) {
    await store.append(id, inChunks(bytes.subarray(first, last + 1), 50_000), { at: first, sparse: true })
  }
  const { size = 0 } = (await store.uploadState(id)) ?? {}
  await store.append(id, inChunks(bytes.subarray(size), 50_000), { at: size })
}

/** The state is that before the update under way or that after it. */
export async function killUpdates(t: TestContext, kills: number): Promise<void> {
  const path = join(await temporaryFolder(), 'state.json')

  for (let turn = 0; turn < kills; turn++) {
    const lines = await runAndKill(t, 60, 'update-state.ts', path)

    const state = await openStateFile<CountState>(path, { parse: parseCount, empty: emptyCount })
    assert.equal(state.problem, undefined)
    const last = Number(lines.at(-1))
    assert.ok(state.data.count === last || state.data.count === last + 1, `${state.data.count} after ${last}`)
  }
}
