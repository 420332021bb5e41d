import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createLog } from '@connected-registry/edge-module/log.ts'
import {
  type BackgroundScrubOptions,
  scrubIfDue,
  startBackgroundScrub
} from '../../modules/connected-registry/src/background-scrub.ts'
import type { Digest } from '../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobReader, BlobStore } from '../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../modules/connected-registry/src/storage/memory-records.ts'
import { putBlob } from '../contracts/blob-content.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'

const never = new AbortController().signal
const day = 24 * 3_600_000

/** A store of one blob that counts how often it is read, and gives other bytes once it is damaged. */
async function aStore() {
  const blobs = createMemoryBlobStore()
  const digest = await putBlob(blobs, randomBytes('kept', 1000))
  const state = { reads: 0, damaged: false, told: 0, time: Date.UTC(2030, 0, 1) }
  const open: BlobStore['open'] = async (wanted: Digest) => {
    state.reads++
    const reader = await blobs.open(wanted)
    return reader && state.damaged ? damaged(reader) : reader
  }
  const options: BackgroundScrubOptions = {
    store: { blobs: { ...blobs, open }, records: createMemoryRecordStore() },
    log: createLog({ module: 'test', level: 'None' }),
    onDamage: () => {
      state.told++
    },
    now: () => new Date(state.time)
  }
  return { options, state, digest }
}

function damaged(reader: BlobReader): BlobReader {
  return {
    ...reader,
    async read(into) {
      const count = await reader.read(into)
      into[0] = ~(into[0] ?? 0) & 0xff
      return count
    }
  }
}

test('all content is read at first, and again after a week', async () => {
  const { options, state } = await aStore()
  const reads: number[] = []

  for (const days of [0, 1, 5, 2]) {
    state.time += days * day
    await scrubIfDue(options, never)
    reads.push(state.reads)
  }

  assert.deepEqual(reads, [1, 1, 1, 2])
})

test('damage is told and set aside', async () => {
  const { options, state, digest } = await aStore()
  state.damaged = true

  await scrubIfDue(options, never)

  assert.equal(state.told, 1)
  assert.deepEqual([...options.store.blobs.quarantined], [digest])
})

test('it tells when it last came to its end, over restarts, and what it found since the start', async (t) => {
  const { options, state } = await aStore()
  state.damaged = true
  const done = Promise.withResolvers<void>()
  let looks = 0
  const running = startBackgroundScrub({
    ...options,
    async untilNextLook(signal) {
      if (++looks === 1) return
      done.resolve()
      await pause(60_000, undefined, { signal })
    }
  })
  t.after(() => running.stop())
  assert.deepEqual(await running.status(), { damaged: 0 })

  await done.promise

  assert.deepEqual(await running.status(), { damaged: 1, lastEndedAt: new Date(state.time) })
  assert.equal(state.told, 1)
  const restarted = startBackgroundScrub(options)
  t.after(() => restarted.stop())
  assert.deepEqual(await restarted.status(), { damaged: 0, lastEndedAt: new Date(state.time) })
})

test('a look that fails is not the last one', { timeout: 60_000 }, async (t) => {
  const { options, state } = await aStore()
  const { records, blobs } = options.store
  const lines: string[] = []
  const third = Promise.withResolvers<void>()
  let looks = 0
  const open: BlobStore['open'] = async (digest) => {
    if (looks === 1) throw new Error('EMFILE: too many open files')
    return blobs.open(digest)
  }
  const running = startBackgroundScrub({
    ...options,
    store: { records, blobs: { ...blobs, open } },
    log: createLog({ module: 'test', destination: { write: (line) => lines.push(line) } }),
    async untilNextLook(signal) {
      if (++looks < 3) return
      third.resolve()
      await pause(60_000, undefined, { signal })
    }
  })
  t.after(() => running.stop())

  await third.promise

  assert.equal(state.reads, 1)
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ['content not read', 'content read']
  )
})
