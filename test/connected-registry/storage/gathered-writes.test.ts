import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import {
  type Blocks,
  blockSize,
  createBlocks,
  writeGathered
} from '../../../modules/connected-registry/src/storage/gathered-writes.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'

const bytes = randomBytes('gathered', 2.5 * blockSize)
const chunkBytes = 300_000

/** Blocks, and how many of them are out. */
function createMeter(): Blocks & { readonly out: number } {
  const blocks = createBlocks()
  let out = 0
  return {
    take() {
      out++
      return blocks.take()
    },
    give(block) {
      out--
      blocks.give(block)
    },
    takeSecond() {
      const block = blocks.takeSecond()
      if (block) out++
      return block
    },
    get out() {
      return out
    }
  }
}

async function* inChunks(before: () => Promise<void> = async () => {}): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    await before()
    yield bytes.subarray(at, at + chunkBytes)
  }
}

test('content is written in whole blocks and in order, and its blocks are given back', async () => {
  const blocks = createMeter()
  const written: Buffer[] = []

  await writeGathered(inChunks(), blocks, async (block) => void written.push(Buffer.from(block)))

  assert.deepEqual(
    written.map(({ length }) => length),
    [blockSize, blockSize, blockSize / 2]
  )
  assert.ok(Buffer.concat(written).equals(bytes))
  assert.equal(blocks.out, 0)
})

test('content that comes slower than it is written takes one block', async () => {
  const blocks = createMeter()
  const held: number[] = []

  const slowly = async () => {
    await turnOfLoop()
    held.push(blocks.out)
  }
  await writeGathered(inChunks(slowly), blocks, async () => undefined)

  assert.equal(Math.max(...held), 1)
})

test('where many blocks are out, content is written by one block each', async () => {
  const blocks = createMeter()
  const written = Array.from({ length: 30 }, () => ({ bytes: Buffer.alloc(bytes.length), end: 0 }))
  let most = 0

  await Promise.all(
    written.map((file) =>
      writeGathered(inChunks(), blocks, async (block) => {
        most = Math.max(most, blocks.out)
        await turnOfLoop()
        file.bytes.set(block, file.end)
        file.end += block.length
      })
    )
  )

  assert.ok(written.every((file) => file.bytes.equals(bytes)))
  assert.equal(most, 30)
  assert.equal(blocks.out, 0)
})

test('where writing fails no block is lost, and what failed is thrown', async () => {
  const blocks = createMeter()

  await assert.rejects(
    writeGathered(inChunks(), blocks, () => Promise.reject(new Error('full'))),
    /full/
  )

  assert.equal(blocks.out, 0)
})

test('blocks are used again, as many as are in use, and few are kept when none is', () => {
  const blocks = createBlocks()
  const used = Array.from({ length: 40 }, () => blocks.take())
  const known = new Set(used)

  for (const block of used.slice(20)) blocks.give(block)
  const again = Array.from({ length: 20 }, () => blocks.take())
  assert.ok(again.every((block) => known.has(block)))

  for (const block of known) blocks.give(block)
  const later = Array.from({ length: 40 }, () => blocks.take())
  assert.equal(later.filter((block) => known.has(block)).length, 8)
})
