import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { Uploads } from '../../../modules/connected-registry/src/registry/uploads.ts'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { temporaryFolder } from '../storage/temporary-folder.ts'
import { beginUpload, openSocket, patch, rawHead, serveWritable } from './pushing.ts'
import { basic } from './served-registry.ts'

/** A registry on files that tells when an append begins to take bytes, and when it is over. */
async function serveWatched(t: TestContext) {
  const blobs = await createFilesystemBlobStore(storePaths(await temporaryFolder()))
  t.after(() => blobs.close())
  const first = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  async function* watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      yield chunk
      first.resolve()
    }
  }
  const watch = (uploads: Uploads): Uploads => ({
    ...uploads,
    append: (name, content, options) => uploads.append(name, watched(content), options).finally(over.resolve)
  })
  const served = await serveWritable(t, {
    blobs,
    registry: (registry) => ({ ...registry, uploads: watch(registry.uploads) })
  })
  return { served, began: first.promise, over: over.promise }
}

test('a client that disappears in the middle goes on where it was', async (t) => {
  const { served, began, over } = await serveWatched(t)
  const bytes = randomBytes('disappears', 3_000_000)
  const location = await beginUpload(served)
  const socket = await openSocket(t, served.port)
  socket.write(rawHead('PATCH', location, { 'Content-Length': bytes.length }))
  socket.write(bytes.subarray(0, 50_000))
  await began

  socket.destroy()
  await over

  const status = await served.send('GET', location, basic('writer'))
  const held = Number(status.headers.range?.split('-')[1]) + 1
  assert.ok(held > 0 && held <= 50_000, `${held} bytes are held`)
  const rest = { 'content-range': `${held}-${bytes.length - 1}` }
  assert.equal((await patch(served, location, bytes.subarray(held), rest)).status, 202)
  assert.equal((await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, basic('writer'))).status, 201)
  assert.doesNotMatch(served.log(), /"level":"error"/)
})

test('a client that comes back while its old connection hangs is served at once', async (t) => {
  const { served, began, over } = await serveWatched(t)
  const bytes = randomBytes('hangs', 100_000)
  const location = await beginUpload(served)
  const socket = await openSocket(t, served.port)
  socket.write(rawHead('PATCH', location, { 'Content-Length': bytes.length }))
  socket.write(bytes.subarray(0, 10_000))
  await began

  const first = await patch(served, location, bytes.subarray(10_000), { 'content-range': '10000-99999' })
  await over

  // Where not all that was sent had come yet, the answer says how much had.
  const held = Number(first.headers.range?.split('-')[1]) + 1
  if (first.status !== 202) await patch(served, location, bytes.subarray(held), { 'content-range': `${held}-99999` })
  assert.equal((await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, basic('writer'))).status, 201)
})

test('many slow clients keep nobody else from pushing and pulling', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('quick', 100_000)
  for (let count = 0; count < 200; count++) {
    const socket = await openSocket(t, served.port)
    socket.write(rawHead('PATCH', await beginUpload(served), { 'Content-Length': 1_000_000 }))
    socket.write(bytes.subarray(0, 10))
  }

  const location = await beginUpload(served)
  const pushed = await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, basic('writer'), bytes)
  const pulled = await served.send('GET', `/v2/app/web/blobs/${digestOf(bytes)}`, basic('writer'))

  assert.equal(pushed.status, 201)
  assert.ok(pulled.bytes.equals(bytes))
})
