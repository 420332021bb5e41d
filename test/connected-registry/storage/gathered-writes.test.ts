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

test('content that does not come for a while holds no block, and what came before is written', async () => {
  const blocks = createMeter()
  const written: Buffer[] = []
  const isResting = Promise.withResolvers<number>()
  const give = blocks.give
  const watched: Blocks = {
    ...blocks,
    give(block) {
      give(block)
      isResting.resolve(blocks.out)
    }
  }
  async function* content() {
    yield bytes.subarray(0, 100)
    assert.equal(await isResting.promise, 0)
    assert.deepEqual(written, [bytes.subarray(0, 100)])
    yield bytes.subarray(100, 300)
  }

  await writeGathered(content(), watched, async (block) => void written.push(Buffer.from(block)), 1)

  assert.deepEqual(Buffer.concat(written), bytes.subarray(0, 300))
  assert.equal(blocks.out, 0)
})

test('where writing fails amid a silence, that is thrown when the content goes on, and its block is given back', async () => {
  const blocks = createMeter()
  const failed = Promise.withResolvers<void>()
  async function* content() {
    yield bytes.subarray(0, 100)
    await failed.promise
    yield bytes.subarray(100, 300)
    assert.fail('asked for more')
  }
  const write = async () => {
    failed.resolve()
    throw new Error('full')
  }

  await assert.rejects(writeGathered(content(), blocks, write, 1), /full/)

  assert.equal(blocks.out, 0)
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
