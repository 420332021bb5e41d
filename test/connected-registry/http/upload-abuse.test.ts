import assert from 'node:assert/strict'
import test from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobStore } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { beginUpload, patch, pushBlob, rawHead, serveWritable } from './pushing.ts'
import { aToken, basic, bearerHeader, rawExchange } from './served-registry.ts'

const writer = basic('writer')

// serverless-registry #87: a digest that nobody checked.
test('content of another digest is refused however it comes, and is nowhere afterwards', async (t) => {
  const served = await serveWritable(t)
  const [bytes, wanted] = [randomBytes('sent', 1000), digestOf(randomBytes('wanted', 1000))]
  const patched = await beginUpload(served)
  await patch(served, patched, bytes)
  const fresh = await beginUpload(served)

  const answers = [
    await served.send('PUT', `${patched}?digest=${wanted}`, writer),
    await served.send('PUT', `${fresh}?digest=${wanted}`, writer, bytes),
    await served.send('POST', `/v2/app/web/blobs/uploads/?digest=${wanted}`, writer, bytes)
  ]

  for (const answer of answers) assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'])
  for (const digest of [wanted, digestOf(bytes)]) {
    assert.equal((await served.send('HEAD', `/v2/app/web/blobs/${digest}`, writer)).status, 404)
  }
  for (const location of [patched, fresh]) assert.equal((await served.send('GET', location, writer)).status, 404)
  assert.deepEqual(await served.registry.uploads.list(), [])
})

// CVE-2026-32589.
test('another client, or the same one elsewhere, has no use for an upload id', async (t) => {
  const served = await serveWritable(t)
  const actions = ['read', 'write', 'delete'].map((verb) => `repositories/app/*/content/${verb}`)
  served.settings.tokens = [...served.settings.tokens, await aToken('thief', actions)]
  const bytes = randomBytes('mine', 50)
  const location = await beginUpload(served)
  await patch(served, location, bytes)
  const elsewhere = location.replace('app/web', 'app/other')
  const digest = digestOf(bytes)

  for (const [path, client] of [
    [location, basic('thief')],
    [elsewhere, writer],
    [elsewhere, basic('thief')]
  ] as const) {
    for (const [method, target, body] of [
      ['GET', path, undefined],
      ['PATCH', path, bytes],
      ['PUT', `${path}?digest=${digest}`, undefined],
      ['PUT', `${path}?digest=${digest}`, bytes],
      ['DELETE', path, undefined]
    ] as const) {
      const answer = await served.send(method, target, client, body)

      assert.deepEqual([answer.status, answer.code], [404, 'BLOB_UPLOAD_UNKNOWN'], `${method} ${target}`)
      assert.equal(answer.headers.range, undefined)
    }
  }
  const finished = await served.send('PUT', `${location}?digest=${digest}`, writer)

  assert.equal(finished.status, 201)
})

test('an access token of the same client goes on with an upload that its password began', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('bearer', 50)
  const location = await beginUpload(served)
  const bearer = bearerHeader(await served.bearer('repository:app/web:pull,push', 'writer'))

  const answer = await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, bearer, bytes)

  assert.equal(answer.status, 201)
})

test('an id that was never given out is unknown, whatever it looks like', async (t) => {
  const served = await serveWritable(t)
  const ids = [
    '1',
    '..',
    '%2e%2e',
    '..%2f..%2frecords.sqlite',
    '%00',
    '__proto__',
    'constructor',
    'a'.repeat(5000),
    '*'
  ]

  for (const id of ids) {
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const path = `/v2/app/web/blobs/uploads/${id}?digest=${digestOf(new Uint8Array())}`
      const answer = await served.send(method, path, writer, method === 'PATCH' ? Buffer.from('x') : undefined)
      assert.ok([400, 404].includes(answer.status), `${method} ${id}: ${answer.status}`)
    }
  }
  assert.doesNotMatch(served.log(), /"level":"error"/)
})

test('a client with a thousand open uploads gets no more until one is over, and others do', async (t) => {
  const served = await serveWritable(t)
  served.settings.tokens = [...served.settings.tokens, await aToken('other', ['repositories/app/*/content/write'])]
  for (let count = 1; count < 1000; count++) await served.registry.uploads.begin('app/web', 'writer')
  const location = await beginUpload(served)

  const refused = await served.send('POST', '/v2/app/other/blobs/uploads/', writer)

  assert.deepEqual([refused.status, refused.code], [429, 'TOOMANYREQUESTS'])
  assert.equal(refused.headers['retry-after'], '1')
  await beginUpload(served, 'app/web', basic('other'))
  await served.send('DELETE', location, writer)
  await beginUpload(served)
})

test('what follows a body that was not read is never taken for a request', async (t) => {
  const served = await serveWritable(t)
  const location = await beginUpload(served)
  const smuggled = rawHead('DELETE', location, {})
  const head = rawHead('PATCH', location, { 'Content-Length': smuggled.length, 'Content-Range': '7-9' })

  const received = await rawExchange(served.port, head + smuggled)

  assert.match(received, /^HTTP\/1\.1 400 /)
  assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1)
  assert.equal((await served.send('GET', location, writer)).status, 204)
})

test('a disk that is full is named, and pulls go on', async (t) => {
  const blobs = createMemoryBlobStore()
  let isFull = false
  const filling: BlobStore = {
    ...blobs,
    append: (id, content, options) =>
      isFull
        ? Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write /data'), { code: 'ENOSPC' }))
        : blobs.append(id, content, options)
  }
  const served = await serveWritable(t, { blobs: filling })
  const digest = await pushBlob(served, 'app/web', randomBytes('before', 100))
  const location = await beginUpload(served)

  isFull = true
  const answer = await patch(served, location, randomBytes('x', 100))

  assert.deepEqual([answer.status, answer.code], [507, 'STORAGE_FULL'])
  assert.match(answer.text, /no room left.*the disk is full/)
  assert.doesNotMatch(answer.text, /\/data/)
  assert.match(served.log(), /ENOSPC/)
  assert.equal((await served.send('GET', `/v2/app/web/blobs/${digest}`, writer)).status, 200)
  assert.equal((await served.send('DELETE', `/v2/app/web/blobs/${digest}`, writer)).status, 202)
})
