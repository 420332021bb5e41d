import assert from 'node:assert/strict'
import test from 'node:test'
import { createDrain } from '@connected-registry/edge-module/drain.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { serveWritable } from './pushing.ts'
import { basic } from './served-registry.ts'

test('a registry that stops refuses what is new, to come again, and goes on with a push that has begun', async (t) => {
  const drain = createDrain()
  const served = await serveWritable(t, { refuses: drain.refuses })
  const image = anImage()
  await served.hold('app/web', image, 'v1')
  const { bytes, descriptor } = image.manifest
  const writer = basic('writer')
  const begun = await served.send('POST', '/v2/app/web/blobs/uploads/', writer)
  const session = String(begun.headers.location)

  await drain.done(t.signal)
  const refused = [
    await served.send('GET', '/v2/app/web/manifests/v1', writer),
    await served.send('POST', '/v2/app/web/blobs/uploads/', writer),
    await served.send('DELETE', `/v2/app/web/manifests/${descriptor.digest}`, writer)
  ]
  const patched = await served.send('PATCH', session, writer, Buffer.from('content'))
  const headers = { ...writer, 'content-type': descriptor.mediaType }
  const tagged = await served.send('PUT', '/v2/app/web/manifests/v2', headers, bytes)

  for (const answer of refused) {
    assert.deepEqual([answer.status, answer.code, answer.headers.connection], [503, 'UNAVAILABLE', 'close'])
    assert.match(answer.text, /the registry is stopping/)
    assert.ok(Number(answer.headers['retry-after']) > 0)
  }
  assert.deepEqual([patched.status, tagged.status], [202, 201])
  assert.equal((await served.send('GET', '/healthz')).status, 200)
})
