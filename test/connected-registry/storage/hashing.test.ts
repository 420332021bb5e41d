import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { digestOf, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { syncFile } from '../../../modules/connected-registry/src/storage/durable-files.ts'
import { createEarlySyncPlaces } from '../../../modules/connected-registry/src/storage/early-sync.ts'
import { blockSize, createBlocks } from '../../../modules/connected-registry/src/storage/gathered-writes.ts'
import { createHashing, type Hashing } from '../../../modules/connected-registry/src/storage/hashing.ts'
import { createRunningHash } from '../../../modules/connected-registry/src/storage/running-hash.ts'
import { createUploadFile } from '../../../modules/connected-registry/src/storage/upload-file.ts'
import { inChunks } from '../../contracts/blob-content.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { temporaryFolder } from './temporary-folder.ts'

function hashingIn(t: TestContext, restMs?: number) {
  const threads: Worker[] = []
  const thread = new URL('../../../modules/connected-registry/src/storage/hashing-thread.ts', import.meta.url)
  const startThread = () => {
    const worker = new Worker(thread)
    threads.push(worker)
    return worker
  }
  const lost: string[] = []
  const hashing = createHashing({ startThread, restMs, onLost: (error) => lost.push(String(error)) })
  t.after(() => hashing.close())
  return { hashing, threads, lost }
}

const meansOf = (hashing: Hashing) => ({
  blocks: createBlocks(),
  earlySyncs: createEarlySyncPlaces(),
  hashing,
  sync: syncFile
})
const bytes = randomBytes('hashed', 100_000)
const hex = (content: Uint8Array) => hexOf(digestOf(content))

async function openFile(t: TestContext): Promise<FileHandle> {
  const file = await open(join(await temporaryFolder(), 'file'), 'w+')
  t.after(() => file.close())
  return file
}

test('hashes side by side share a thread, which writes what it hashes, and each goes on after it was asked', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const [file, other] = [await openFile(t), await openFile(t)]
  const [hash, otherHash] = [hashing.begin(), hashing.begin('sha512')]

  await Promise.all([hash.write(file, bytes, 0), otherHash.write(other, bytes.subarray(0, 10), 5)])
  const first = await hash.digest()
  assert.equal(await hash.write(file, bytes, bytes.length), true)

  assert.equal(first, hex(bytes))
  assert.equal(await hash.digest(), hex(Buffer.concat([bytes, bytes])))
  assert.deepEqual(await file.readFile(), Buffer.concat([bytes, bytes]))
  assert.equal(await otherHash.digest(), hexOf(digestOf(bytes.subarray(0, 10), 'sha512')))
  assert.deepEqual(await other.readFile(), Buffer.concat([Buffer.alloc(5), bytes.subarray(0, 10)]))
  assert.equal(threads.length, 1)
})

test('a block that could not be written says why, and is not in the hash', async (t) => {
  const { hashing } = hashingIn(t)
  const full = await open('/dev/full', 'r+')
  t.after(() => full.close())
  const hash = hashing.begin()

  await assert.rejects(hash.write(full, bytes, 0), { code: 'ENOSPC' })

  assert.equal(await hash.write(await openFile(t), bytes, 0), true)
  assert.equal(await hash.digest(), hex(bytes))
})

test('a file that ends before what is to be read of it says so', async (t) => {
  const { hashing } = hashingIn(t)
  const file = await openFile(t)
  await file.write(bytes)

  await assert.rejects(hashing.begin().readFirst(file, bytes.length + 1), /the file ends at 100000/)
})

test('the thread ends at rest, not while a hash is kept, and the next hash starts another', async (t) => {
  const { hashing, threads, lost } = hashingIn(t, 0)
  const file = await openFile(t)
  const [one, other] = [hashing.begin(), hashing.begin()]
  const ended = once(threads[0]!, 'exit')

  one.end()
  await other.write(file, bytes, 0)
  assert.equal(await other.digest(), hex(bytes))
  other.end()
  await ended

  const next = hashing.begin()
  await next.readFirst(file, bytes.length)
  assert.equal(await next.digest(), hex(bytes))
  assert.equal(threads.length, 2)
  assert.deepEqual(lost, [])
})

test('the thread starts for what is about to begin, once, and ends where nothing does', async (t) => {
  const { hashing, threads } = hashingIn(t, 0)
  hashing.wake()
  hashing.wake()
  hashing.begin().end()
  assert.equal(threads.length, 1)

  await once(threads[0]!, 'exit')

  hashing.wake()
  assert.equal(threads.length, 2)
  await once(threads[1]!, 'exit')
})

test('what was begun on a thread that died is lost, and says so; the next hash has another thread', async (t) => {
  const { hashing, threads, lost } = hashingIn(t)
  const file = await openFile(t)
  const hash = hashing.begin()
  await hash.write(file, bytes, 0)

  const waiting = hash.digest()
  await threads[0]!.terminate()

  assert.ok([undefined, hex(bytes)].includes(await waiting))
  assert.equal(await hash.write(file, bytes, 0), false)
  assert.equal(await hash.readFirst(file, 1), false)
  assert.equal(await hash.digest(), undefined)
  assert.deepEqual(lost, ['Error: the hashing thread ended with 1'])
  const next = hashing.begin()
  assert.equal(await next.write(file, bytes, 0), true)
  assert.equal(await next.digest(), hex(bytes))
})

test('a thread that fails tells by what, and an upload has its digest all the same', async (t) => {
  const lost: string[] = []
  const failing = "data:text/javascript,throw new Error('no priority')"
  const hashing = createHashing({
    startThread: () => new Worker(new URL(failing)),
    onLost: (error) => lost.push(String(error))
  })
  t.after(() => hashing.close())
  const content = randomBytes('failing thread', blockSize)
  const upload = await createUploadFile(await temporaryFolder(), 'upload', meansOf(hashing))

  await upload.append(inChunks(content, 65_000), { at: 0 })

  assert.equal(await upload.hash('sha256'), hex(content))
  assert.deepEqual(new Set(lost), new Set(['Error: no priority']))
})

test('an upload has its digest where no thread can be started, and the next one asks for a thread again', async () => {
  let asked = 0
  const lost: unknown[] = []
  const startThread = () => {
    asked += 1
    throw Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' })
  }
  const hashing = createHashing({ startThread, onLost: (error) => lost.push(error) })
  const content = randomBytes('no thread', blockSize + 1)
  const folder = await temporaryFolder()

  for (const name of ['one', 'other']) {
    const upload = await createUploadFile(folder, name, meansOf(hashing))
    await upload.append(inChunks(content, 65_000), { at: 0 })
    assert.equal(await upload.hash('sha256'), hex(content))
  }

  // For what arrives, and to read it at the end.
  assert.equal(asked, 4)
  assert.deepEqual(lost.map(String), Array(4).fill('Error: no thread'))
})

test('a block that comes when an upload is over begins no hash, which nobody would end', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const running = createRunningHash(hashing)

  running.expect(0)
  running.end()
  await running.write(await openFile(t), randomBytes('late', blockSize), 0)

  assert.equal(threads.length, 0)
  assert.equal(await running.digest(blockSize), undefined)
})

for (const [what, size] of [
  ['less than a block', blockSize - 1],
  ['a block', blockSize],
  ['blocks and a rest', 2 * blockSize + 7]
] as const) {
  test(`an upload of ${what} has its digest, with its thread and without`, async (t) => {
    const { hashing, threads } = hashingIn(t)
    const content = randomBytes(what, size)
    const folder = await temporaryFolder()
    const upload = await createUploadFile(folder, 'upload', meansOf(hashing))

    await upload.append(inChunks(content, 65_000), { at: 0 })
    assert.equal(await upload.hash('sha256'), hex(content))
    assert.equal(threads.length, size < blockSize ? 0 : 1)

    await hashing.close()
    await upload.append(inChunks(bytes, 65_000), { at: size })
    const all = Buffer.concat([content, bytes])
    assert.equal(await upload.hash('sha256'), hex(all))
    assert.equal(await upload.hash('sha512'), hexOf(digestOf(all, 'sha512')))
    assert.deepEqual(await readFile(join(folder, 'upload', 'data')), all)
  })
}

test('an upload that begins small goes to the thread once a block of it came', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const content = randomBytes('slow start', 2 * blockSize)
  const upload = await createUploadFile(await temporaryFolder(), 'upload', meansOf(hashing))

  let started: number[] = []
  for (let at = 0; at < content.length; at += 400_000) {
    await upload.append(inChunks(content.subarray(at, at + 400_000), 65_000), { at })
    started = [...started, threads.length]
  }

  assert.deepEqual(started, [0, 0, 1, 1, 1, 1])
  assert.equal(await upload.hash('sha256'), hex(content))
})

test('an upload to which nothing is added for long gives its thread up, and has its digest all the same', async (t) => {
  const { hashing, threads } = hashingIn(t, 0)
  const content = randomBytes('left', 2 * blockSize)
  const means = { ...meansOf(hashing), hashIdleMs: 0 }
  const upload = await createUploadFile(await temporaryFolder(), 'upload', means)

  await upload.append(inChunks(content.subarray(0, blockSize), 65_000), { at: 0 })
  if (threads[0]!.threadId > 0) await once(threads[0]!, 'exit')
  await upload.append(inChunks(content.subarray(blockSize), 65_000), { at: blockSize })

  assert.equal(await upload.hash('sha256'), hex(content))
})

test('for an upload that is going to be large the thread starts before its first byte', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const means = meansOf(hashing)
  const folder = await temporaryFolder()
  await createUploadFile(folder, 'small', means, blockSize - 1)
  assert.equal(threads.length, 0)

  const content = randomBytes('large', 2 * blockSize + 7)
  const upload = await createUploadFile(folder, 'large', means, content.length)
  assert.equal(threads.length, 1)

  for (const [from, to] of [
    [0, 10],
    [10, content.length]
  ] as const) {
    await upload.append(inChunks(content.subarray(from, to), 65_000), { at: from })
  }
  assert.equal(await upload.hash('sha256'), hex(content))
  assert.equal(threads.length, 1)
})

test('a thread that waits in vain for the first byte of an upload ends, which has its digest all the same', async (t) => {
  const { hashing, threads } = hashingIn(t, 0)
  const content = randomBytes('late', 2 * blockSize)
  const means = { ...meansOf(hashing), hashIdleMs: 0 }
  const upload = await createUploadFile(await temporaryFolder(), 'upload', means, content.length)

  await once(threads[0]!, 'exit')
  await upload.append(inChunks(content, 65_000), { at: 0 })

  assert.equal(await upload.hash('sha256'), hex(content))
})
