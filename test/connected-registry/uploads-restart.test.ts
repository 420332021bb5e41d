import assert from 'node:assert/strict'
import { readdir, utimes } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { createFilesystemBlobStore } from '../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../modules/connected-registry/src/storage/layout.ts'
import { inChunks } from '../contracts/blob-content.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { authorization, aWritableModule } from './writable-module.ts'

async function startModule(t: TestContext) {
  const module = await aWritableModule(t)
  await module.start()
  return {
    ...module,
    uploads: storePaths(module.dataVolume).uploads,
    async restart(signal: NodeJS.Signals) {
      await module.stop(signal)
      await module.start()
    }
  }
}

function heldIn(answer: Response): number {
  return Number(answer.headers.get('range')?.split('-')[1]) + 1
}

test('after kill -9 an upload goes on at the byte that its status names', async (t) => {
  const module = await startModule(t)
  const bytes = randomBytes('killed', 9_000_000)
  const digest = digestOf(bytes)
  const begun = await module.send('POST', '/v2/app/web/blobs/uploads/')
  const location = begun.headers.get('location')!
  await module.send('PATCH', location, { 'content-range': '0-1999999' }, bytes.subarray(0, 2_000_000))
  const socket = connect(Number(new URL(module.url()).port), '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 7000000\r\n\r\n`
  )
  socket.write(bytes.subarray(2_000_000, 7_000_000))
  let before = 0
  while (before <= 2_000_000) before = heldIn(await module.send('GET', location))

  await module.restart('SIGKILL')

  const status = await module.send('GET', location)
  const held = heldIn(status)
  assert.equal(status.status, 204)
  assert.ok(held >= before && held <= 7_000_000, `${held} bytes are held, ${before} were told`)
  assert.equal((await module.send('PUT', `${location}?digest=${digest}`, {}, bytes.subarray(held))).status, 201)
  const pulled = await module.send('GET', `/v2/app/web/blobs/${digest}`)
  assert.ok(Buffer.from(await pulled.arrayBuffer()).equals(bytes))
})

test('the status tells of open uploads, and a day without news ends them at the next start', async (t) => {
  const module = await startModule(t)
  const begun = await module.send('POST', '/v2/app/web/blobs/uploads/')
  const location = begun.headers.get('location')!
  await module.send('PATCH', location, {}, randomBytes('forgotten', 12_345))
  const uploads = async () => ((await (await module.send('GET', '/status')).json()) as { uploads: unknown }).uploads
  const open = await uploads()

  const dayAgo = new Date(Date.now() - 25 * 3_600_000)
  await utimes(join(module.uploads, location.split('/').at(-1)!, 'data'), dayAgo, dayAgo)
  await module.restart('SIGTERM')

  assert.deepEqual(open, { count: 1, bytes: 12_345 })
  assert.equal((await module.send('GET', location)).status, 404)
  assert.deepEqual(await uploads(), { count: 0, bytes: 0 })
  assert.deepEqual(await readdir(module.uploads), [])
})

test('what a killed process was fetching is gone after the next start', async (t) => {
  const module = await startModule(t)
  const blobs = await createFilesystemBlobStore(storePaths(module.dataVolume))
  t.after(() => blobs.close())
  const upload = await blobs.beginUpload()
  await blobs.append(upload, inChunks(randomBytes('half', 50_000), 10_000), { at: 0 })

  await module.restart('SIGKILL')

  assert.deepEqual(await readdir(module.uploads), [])
})
