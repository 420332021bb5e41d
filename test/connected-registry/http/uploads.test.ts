import assert from 'node:assert/strict'
import test from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { randomBytes } from '../../fixtures/random-bytes.ts'
import { beginUpload, patch, pushBlob, rawHead, serveWritable, stream } from './pushing.ts'
import { basic, rawExchange } from './served-registry.ts'

const writer = basic('writer')

test('POST begins an upload and says where it goes on, by a path that is right behind any proxy', async (t) => {
  const served = await serveWritable(t)

  const answer = await served.send('POST', '/v2/app/web/blobs/uploads/', {
    ...writer,
    'x-forwarded-host': 'evil.example'
  })

  const id = answer.headers['docker-upload-uuid']
  assert.equal(answer.status, 202)
  assert.match(String(id), /^[0-9a-f-]{36}$/)
  assert.equal(answer.headers.location, `/v2/app/web/blobs/uploads/${id}`)
  assert.equal(answer.headers.range, '0-0')
  assert.equal(answer.headers['content-length'], '0')
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
})

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a blob comes in chunks, and is there once it was finished (${algorithm})`, async (t) => {
    const served = await serveWritable(t)
    const bytes = randomBytes('chunks', 300_000)
    const digest = digestOf(bytes, algorithm)
    const location = await beginUpload(served)

    const first = await patch(served, location, bytes.subarray(0, 100_000), { 'content-range': '0-99999' })
    const second = await patch(served, location, bytes.subarray(100_000, 200_000), { 'content-range': '100000-199999' })
    const status = await served.send('GET', location, writer)
    const early = await served.send('GET', `/v2/app/web/blobs/${digest}`, writer)
    const finished = await served.send('PUT', `${location}?digest=${digest}`, writer, bytes.subarray(200_000))

    assert.deepEqual([first.status, first.headers.range, first.headers.location], [202, '0-99999', location])
    assert.deepEqual([second.status, second.headers.range], [202, '0-199999'])
    assert.deepEqual([status.status, status.headers.range, status.headers.location], [204, '0-199999', location])
    assert.equal(status.headers['docker-upload-uuid'], location.split('/').at(-1))
    assert.equal(early.status, 404)
    assert.equal(finished.status, 201)
    assert.equal(finished.headers.location, `/v2/app/web/blobs/${digest}`)
    assert.equal(finished.headers['docker-content-digest'], digest)
    assert.ok((await served.send('GET', `/v2/app/web/blobs/${digest}`, writer)).bytes.equals(bytes))
    assert.equal((await served.send('GET', location, writer)).status, 404)
  })
}

test('a stream without a length is one chunk, and PUT without a body ends the upload', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('stream', 200_000)
  const location = await beginUpload(served)

  const streamed = await stream(served, location, bytes)
  const finished = await served.send('PUT', `${location}?digest=${digestOf(bytes)}`, { ...writer, 'content-length': 0 })

  assert.deepEqual([streamed.status, streamed.headers.range], [202, '0-199999'])
  assert.equal(finished.status, 201)
})

test('POST with a digest takes the whole blob at once, and an empty one too', async (t) => {
  const served = await serveWritable(t)

  for (const bytes of [randomBytes('at once', 70_000), new Uint8Array()]) {
    const path = `/v2/app/web/blobs/uploads/?digest=${digestOf(bytes)}`
    const answer = await served.send('POST', path, writer, bytes)

    assert.equal(answer.status, 201)
    assert.equal(answer.headers.location, `/v2/app/web/blobs/${digestOf(bytes)}`)
    assert.ok((await served.send('GET', `/v2/app/web/blobs/${digestOf(bytes)}`, writer)).bytes.equals(bytes))
  }
})

test('a digest that is none is refused before a byte is read, and the upload goes on', async (t) => {
  const served = await serveWritable(t)
  const location = await beginUpload(served)
  const digests = ['', 'sha256:', 'sha256:xyz', `SHA256:${'0'.repeat(64)}`, `md5:${'0'.repeat(32)}`, '../../etc/passwd']

  for (const digest of digests) {
    const put = await served.send('PUT', `${location}?digest=${encodeURIComponent(digest)}`, writer, Buffer.from('x'))
    const path = `/v2/app/web/blobs/uploads/?digest=${encodeURIComponent(digest)}`
    const post = await served.send('POST', path, writer, Buffer.from('x'))

    assert.deepEqual([put.status, put.code], [400, 'DIGEST_INVALID'], digest)
    assert.deepEqual([post.status, post.code], [400, 'DIGEST_INVALID'], digest)
  }
  const without = await served.send('PUT', location, writer)

  assert.deepEqual([without.status, without.code], [400, 'DIGEST_INVALID'])
  assert.equal((await served.send('GET', location, writer)).headers.range, '0-0')
})

const wrongRanges = ['0-9', '49-58', '51-60', '40-59', '9-0', 'x', '', '50-', '-50', '5e1-59', '0x32-59', '50-59,60-69']

test('a chunk that is not the next one, or says nonsense, is refused, and the answer says where to go on', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('ordered', 60)
  const location = await beginUpload(served)
  await patch(served, location, bytes.subarray(0, 50), { 'content-range': '0-49' })

  for (const range of wrongRanges) {
    const content = range === '40-59' ? bytes.subarray(40) : bytes.subarray(50)
    for (const method of ['PATCH', 'PUT']) {
      const path = method === 'PUT' ? `${location}?digest=${digestOf(bytes)}` : location
      const answer = await served.send(method, path, { ...writer, 'content-range': range }, content)

      assert.deepEqual([answer.status, answer.code], [416, 'RANGE_INVALID'], `${method} ${range}`)
      assert.deepEqual([answer.headers.range, answer.headers.location], ['0-49', location])
    }
  }
  const last = await served.send(
    'PUT',
    `${location}?digest=${digestOf(bytes)}`,
    { ...writer, 'content-range': '50-59' },
    bytes.subarray(50)
  )

  assert.equal(last.status, 201)
})

test('a chunk of another size than its range is refused, and of one that is longer no more is taken', async (t) => {
  const served = await serveWritable(t)
  const location = await beginUpload(served)

  const told = await patch(served, location, randomBytes('x', 11), { 'content-range': '0-9' })
  const longer = await stream(served, location, randomBytes('x', 100_000), { 'content-range': '0-9' })
  const shorter = await stream(served, location, randomBytes('x', 3), { 'content-range': '10-19' })

  assert.deepEqual([told.status, told.code, told.headers.range], [400, 'SIZE_INVALID', '0-0'])
  assert.deepEqual([longer.status, longer.code, longer.headers.range], [400, 'SIZE_INVALID', '0-9'])
  assert.deepEqual([shorter.status, shorter.code, shorter.headers.range], [400, 'SIZE_INVALID', '0-12'])
})

test('DELETE ends an upload', async (t) => {
  const served = await serveWritable(t)
  const location = await beginUpload(served)
  await patch(served, location, randomBytes('x', 10))

  const cancelled = await served.send('DELETE', location, writer)

  assert.equal(cancelled.status, 204)
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await served.send(method, location, writer, method === 'PATCH' ? Buffer.from('x') : undefined)
    assert.deepEqual([answer.status, answer.code], [404, 'BLOB_UPLOAD_UNKNOWN'], method)
  }
})

test('chunks and the end follow each other on one connection', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('pipelined', 30_000)
  const location = await beginUpload(served)
  const requests = [
    rawHead('PATCH', location, { 'Content-Length': 10_000, 'Content-Range': '0-9999' }),
    bytes.subarray(0, 10_000),
    rawHead('PATCH', location, { 'Content-Length': 10_000, 'Content-Range': '10000-19999' }),
    bytes.subarray(10_000, 20_000),
    rawHead('PUT', `${location}?digest=${digestOf(bytes)}`, { 'Content-Length': 10_000, Connection: 'close' }),
    bytes.subarray(20_000)
  ]

  const received = await rawExchange(served.port, Buffer.concat(requests.map((part) => Buffer.from(part))))

  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 202', 'HTTP/1.1 202', 'HTTP/1.1 201'])
})

test('a deleted blob is gone from its repository, one that is not there is unknown', async (t) => {
  const served = await serveWritable(t)
  const bytes = randomBytes('deleted', 100)
  const digest = await pushBlob(served, 'app/web', bytes)
  await pushBlob(served, 'app/other', bytes)

  const deleted = await served.send('DELETE', `/v2/app/web/blobs/${digest}`, writer)
  const again = await served.send('DELETE', `/v2/app/web/blobs/${digest}`, writer)
  const broken = await served.send('DELETE', '/v2/app/web/blobs/sha256:0', writer)

  assert.equal(deleted.status, 202)
  assert.deepEqual([again.status, again.code], [404, 'BLOB_UNKNOWN'])
  assert.deepEqual([broken.status, broken.code], [400, 'DIGEST_INVALID'])
  assert.equal((await served.send('GET', `/v2/app/web/blobs/${digest}`, writer)).status, 404)
  assert.equal((await served.send('GET', `/v2/app/other/blobs/${digest}`, writer)).status, 200)
})
