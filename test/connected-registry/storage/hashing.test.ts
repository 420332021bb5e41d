import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { digestOf, hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { blockSize, createBlocks } from '../../../modules/connected-registry/src/storage/gathered-writes.ts'
import { createHashing } from '../../../modules/connected-registry/src/storage/hashing.ts'
import { createRunningHash } from '../../../modules/connected-registry/src/storage/running-hash.ts'
import { createUploadFile, syncFile } from '../../../modules/connected-registry/src/storage/upload-file.ts'
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
  const hashing = createHashing({ startThread, restMs })
  t.after(() => hashing.close())
  return { hashing, threads }
}

const bytes = randomBytes('hashed', 100_000)
const hex = (content: Uint8Array) => hexOf(digestOf(content))

test('hashes side by side share a thread, and each goes on after it was asked', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const [one, other] = [hashing.begin(), hashing.begin()]

  await Promise.all([one.update(bytes), other.update(bytes.subarray(0, 10))])
  const first = await one.digest()
  await one.update(bytes)

  assert.equal(first, hex(bytes))
  assert.equal(await one.digest(), hex(Buffer.concat([bytes, bytes])))
  assert.equal(await other.digest(), hex(bytes.subarray(0, 10)))
  assert.equal(threads.length, 1)
})

test('the thread ends at rest, not while a hash is kept, and the next hash starts another', async (t) => {
  const { hashing, threads } = hashingIn(t, 0)
  const [one, other] = [hashing.begin(), hashing.begin()]
  const ended = once(threads[0]!, 'exit')

  one.end()
  await other.update(bytes)
  assert.equal(await other.digest(), hex(bytes))
  other.end()
  await ended

  const next = hashing.begin()
  await next.update(bytes)
  assert.equal(await next.digest(), hex(bytes))
  assert.equal(threads.length, 2)
})

test('what was begun on a thread that died is lost, and says so', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const hash = hashing.begin()
  await hash.update(bytes)

  const waiting = hash.digest()
  await threads[0]!.terminate()

  assert.ok([undefined, hex(bytes)].includes(await waiting))
  await hash.update(bytes)
  assert.equal(await hash.digest(), undefined)
})

test('an upload has its digest where no thread can be started, and the next one asks for a thread again', async () => {
  let asked = 0
  const startThread = () => {
    asked += 1
    throw Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' })
  }
  const hashing = createHashing({ startThread })
  const content = randomBytes('no thread', blockSize + 1)
  const folder = await temporaryFolder()

  for (const name of ['one', 'other']) {
    const upload = await createUploadFile(folder, name, { blocks: createBlocks(), hashing, sync: syncFile })
    await upload.append(inChunks(content, 65_000), { at: 0 })
    assert.equal(await upload.hash('sha256'), hex(content))
  }

  assert.equal(asked, 2)
})

test('a block that comes when an upload is over begins no hash, which nobody would end', async (t) => {
  const { hashing, threads } = hashingIn(t)
  const running = createRunningHash(hashing)

  running.expect(0)
  running.end()
  await running.update(randomBytes('late', blockSize))

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
    const upload = await createUploadFile(folder, 'upload', { blocks: createBlocks(), hashing, sync: syncFile })

    await upload.append(inChunks(content, 65_000), { at: 0 })
    assert.equal(await upload.hash('sha256'), hex(content))
    assert.equal(threads.length, size < blockSize ? 0 : 1)

    await hashing.close()
    await upload.append(inChunks(bytes, 65_000), { at: size })
    assert.equal(await upload.hash('sha256'), hex(Buffer.concat([content, bytes])))
    assert.equal(upload.data, join(folder, 'upload', 'data'))
  })
}
