import assert from 'node:assert/strict'
import test from 'node:test'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { basic, serveRegistry } from './served-registry.ts'

test('a manifest is served byte for byte, by tag and by digest', async (t) => {
  const served = await serveRegistry(t)
  const image = anIndex([anImage({ seed: 'a' }), anImage({ seed: 'b' })])
  await served.hold('app/web', image, 'v1')
  const { digest, mediaType } = image.manifest.descriptor

  for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
    const answer = await served.send('GET', `/v2/app/web/manifests/${reference}`, basic())

    assert.equal(answer.status, 200)
    assert.deepEqual(answer.bytes, Buffer.from(image.manifest.bytes))
    assert.equal(answer.headers['content-type'], mediaType)
    assert.equal(answer.headers['content-length'], String(image.manifest.bytes.length))
    assert.equal(answer.headers['docker-content-digest'], digest)
    assert.equal(answer.headers.etag, `"${digest}"`)
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
  }
})

test('HEAD of a manifest has the headers of GET and no body', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  await served.hold('app/web', image, 'v1')

  for (const reference of ['v1', image.manifest.descriptor.digest]) {
    const path = `/v2/app/web/manifests/${reference}`
    const get = await served.send('GET', path, basic())
    const head = await served.send('HEAD', path, basic())

    assert.equal(head.status, 200)
    assert.equal(head.bytes.length, 0)
    assert.deepEqual({ ...head.headers, date: '' }, { ...get.headers, date: '' })
  }
})

test('a client that has the manifest is told so', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  await served.hold('app/web', image, 'v1')
  const etag = `"${image.manifest.descriptor.digest}"`

  for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    for (const method of ['GET', 'HEAD']) {
      const headers = { ...basic(), 'if-none-match': condition }
      const answer = await served.send(method, '/v2/app/web/manifests/v1', headers)

      assert.equal(answer.status, 304, condition)
      assert.equal(answer.headers.etag, etag)
      assert.equal(answer.bytes.length, 0)
    }
  }
  const other = await served.send('GET', '/v2/app/web/manifests/v1', { ...basic(), 'if-none-match': '"other"' })
  assert.equal(other.status, 200)
})

test('a manifest that is not here is unknown, and a broken digest invalid', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const absent = `sha256:${'0'.repeat(64)}`
  const cases = [
    ['/v2/app/web/manifests/v2', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/app/web/manifests/${absent}`, 404, 'MANIFEST_UNKNOWN'],
    ['/v2/app/none/manifests/v1', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/app/web/manifests/.INVALID', 404, 'MANIFEST_UNKNOWN'],
    ['/v2/app/web/manifests/sha256:12', 400, 'DIGEST_INVALID']
  ] as const

  for (const [path, status, code] of cases) {
    const answer = await served.send('GET', path, basic())
    const head = await served.send('HEAD', path, basic())

    assert.deepEqual([answer.status, answer.code], [status, code], path)
    assert.equal(head.status, status, path)
    assert.equal(head.bytes.length, 0)
  }
})

test('what another repository holds is not here', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  await served.hold('app/web', image, 'v1')
  await served.hold('app/other', anImage({ seed: 'other' }), 'v1')
  const [blob] = image.blobs.keys()
  const elsewhere = [`manifests/${image.manifest.descriptor.digest}`, `blobs/${blob}`]

  for (const path of elsewhere) {
    for (const method of ['HEAD', 'GET']) {
      assert.equal((await served.send(method, `/v2/app/web/${path}`, basic())).status, 200)
      assert.equal((await served.send(method, `/v2/app/other/${path}`, basic())).status, 404)
      assert.equal((await served.send(method, `/v2/app/nowhere/${path}`, basic())).status, 404)
    }
  }
})

test('a repository may bear the words of a route in its name', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  const names = ['app/manifests/v1', 'app/blobs/uploads', 'app/tags/list', 'app/referrers/manifests', 'app/v2']

  for (const name of names) {
    await served.hold(name, image, 'v1')
    const manifest = await served.send('GET', `/v2/${name}/manifests/v1`, basic())
    const tags = await served.send('GET', `/v2/${name}/tags/list`, basic())

    assert.equal(manifest.status, 200, name)
    assert.deepEqual(JSON.parse(tags.text), { name, tags: ['v1'] })
  }
})
