import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, anIndex, aReferrer, type BuiltImage, manifestsOf } from '../../fixtures/image-builder.ts'
import { type Answer, basic, rawExchange, type ServedRegistry, serveRegistry } from './served-registry.ts'

const absent = `sha256:${'0'.repeat(64)}`
const image = anImage()
const { digest, mediaType } = image.manifest.descriptor

async function serveWritable(t: TestContext): Promise<ServedRegistry> {
  const served = await serveRegistry(t)
  served.settings.mode = 'ReadWrite'
  return served
}

interface Push {
  readonly bytes?: Uint8Array
  readonly type?: string
  readonly repository?: string
}

function put(served: ServedRegistry, reference: string, push: Push = {}): Promise<Answer> {
  const { bytes = image.manifest.bytes, type = mediaType, repository = 'app/web' } = push
  const path = `/v2/${repository}/manifests/${reference}`
  return served.send('PUT', path, { ...basic('writer'), 'content-type': type }, bytes)
}

/** What an image names, without its own manifest. */
async function holdContent(served: ServedRegistry, { blobs, children }: BuiltImage): Promise<void> {
  await served.hold('app/web', { ...anIndex([]), blobs, children })
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

for (const reference of ['v1', digest]) {
  test(`a manifest is pushed by ${reference === digest ? 'digest' : 'tag'} and comes back byte for byte`, async (t) => {
    const served = await serveWritable(t)
    await holdContent(served, image)

    const pushed = await put(served, reference)

    assert.deepEqual([pushed.status, pushed.text], [201, ''])
    assert.equal(pushed.headers['docker-content-digest'], digest)
    assert.equal(pushed.headers.location, `/v2/app/web/manifests/${digest}`)
    assert.equal(pushed.headers['oci-subject'], undefined)
    for (const path of [pushed.headers.location, `/v2/app/web/manifests/${reference}`]) {
      const pulled = await served.send('GET', path!, basic())
      assert.deepEqual(pulled.bytes, Buffer.from(image.manifest.bytes))
      assert.equal(pulled.headers['content-type'], mediaType)
    }
  })
}

test('the change log says who pushed, untagged and deleted', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)
  const head = served.registry.changes.head()

  await put(served, 'v1')
  await served.send('DELETE', '/v2/app/web/manifests/v1', basic('writer'))
  await served.send('DELETE', `/v2/app/web/manifests/${digest}`, basic('writer'))

  const changes = await served.registry.changes.read(head, 10)
  assert.deepEqual(
    changes.map(({ action, origin }) => [action, origin]),
    ['push', 'tag', 'untag', 'delete'].map((action) => [action, 'client:writer'])
  )
})

test('a manifest is pushed by a sha512 digest, and its tags with it', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)
  const sha512 = digestOf(image.manifest.bytes, 'sha512')

  const pushed = await put(served, `${sha512}?tag=v1&tag=latest`)

  assert.equal(pushed.status, 201, pushed.text)
  assert.equal(pushed.headers['docker-content-digest'], sha512)
  assert.equal(pushed.headers['oci-tag'], 'v1, latest')
  for (const tag of ['v1', 'latest']) {
    const head = await served.send('HEAD', `/v2/app/web/manifests/${tag}`, basic())
    assert.deepEqual([head.status, head.headers['docker-content-digest']], [200, sha512])
  }
})

test('a digest that is another one, or none, is the client’s mistake', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)

  for (const reference of [absent, 'sha256:baddigeststring', `sha512:${'0'.repeat(128)}`, 'md5:00']) {
    const answer = await put(served, reference)
    assert.deepEqual([answer.status, answer.code], [400, 'DIGEST_INVALID'], reference)
  }
  assert.equal((await served.send('GET', `/v2/app/web/manifests/${digest}`, basic())).status, 404)
})

test('a tag that is none is refused, in the path and as a parameter', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)

  for (const reference of ['.hidden', '-v1', 'a'.repeat(129), `${digest}?tag=.hidden`, `${digest}?tag=`]) {
    const answer = await put(served, reference)
    assert.deepEqual([answer.status, answer.code], [400, 'TAG_INVALID'], reference)
  }
  const many = Array.from({ length: 101 }, (_, index) => `tag=t${index}`).join('&')
  assert.equal((await put(served, `${digest}?${many}`)).code, 'TAG_INVALID')
})

test('Content-Type must be there and be what the manifest says', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)

  const without = await served.send('PUT', '/v2/app/web/manifests/v1', basic('writer'), image.manifest.bytes)
  const other = await put(served, 'v1', { type: 'application/vnd.oci.image.index.v1+json' })
  const unknown = await put(served, 'v1', { type: 'text/plain', bytes: json({ schemaVersion: 2 }) })
  const withParameter = await put(served, 'v1', { type: `${mediaType}; charset=utf-8` })

  for (const answer of [without, other, unknown])
    assert.deepEqual([answer.status, answer.code], [400, 'MANIFEST_INVALID'])
  assert.match(without.text, /Content-Type/)
  assert.equal(withParameter.status, 201, withParameter.text)
})

const refused: readonly (readonly [what: string, body: unknown, type: string, says: RegExp])[] = [
  [
    'schema 1',
    { schemaVersion: 1, name: 'x', fsLayers: [] },
    'application/vnd.docker.distribution.manifest.v1+json',
    /schema 1/
  ],
  [
    'signed schema 1',
    { schemaVersion: 1, fsLayers: [], signatures: [] },
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    /schema 1/
  ],
  [
    'a body that is both image and index',
    { schemaVersion: 2, config: {}, layers: [], manifests: [] },
    'application/vnd.oci.image.index.v1+json',
    /no place/
  ],
  ['a list', [], mediaType, /object/]
]

for (const [what, body, type, says] of refused) {
  test(`${what} is refused by name`, async (t) => {
    const served = await serveWritable(t)

    const answer = await put(served, 'v1', { bytes: json(body), type })

    assert.deepEqual([answer.status, answer.code], [400, 'MANIFEST_INVALID'])
    assert.match(answer.text, says)
  })
}

test('Docker images and lists are taken as they are', async (t) => {
  const served = await serveWritable(t)
  const docker = anImage({ mediaTypes: 'docker' })
  const list = anIndex([docker], { mediaTypes: 'docker' })
  await holdContent(served, list)

  for (const { descriptor, bytes } of manifestsOf(list)) {
    const answer = await put(served, descriptor.digest, { bytes, type: descriptor.mediaType })
    assert.equal(answer.status, 201, answer.text)
  }
})

test('an image whose layer was not pushed is refused, and names what is missing', async (t) => {
  const served = await serveWritable(t)

  const answer = await put(served, 'v1')

  assert.deepEqual([answer.status, answer.code], [404, 'MANIFEST_BLOB_UNKNOWN'])
  for (const blob of image.blobs.keys()) assert.ok(answer.text.includes(blob))
  assert.equal((await served.send('HEAD', '/v2/app/web/manifests/v1', basic())).status, 404)
})

test('a blob that only another repository holds is missing here', async (t) => {
  const served = await serveWritable(t)
  await holdContent(served, image)

  const answer = await put(served, 'v1', { repository: 'app/other' })

  assert.equal(answer.code, 'MANIFEST_BLOB_UNKNOWN')
})

test('an index may leave out manifests, an image its subject', async (t) => {
  const served = await serveWritable(t)
  const [here, left] = [anImage({ seed: 'here' }), anImage({ seed: 'left out' })]
  await served.hold('app/web', here)
  const index = anIndex([here, left]).manifest
  const signature = aReferrer(anImage({ seed: 'never pushed' }), { artifactType: 'application/vnd.example.sbom' })
  await holdContent(served, signature)

  const sparse = await put(served, 'v1', { bytes: index.bytes, type: index.descriptor.mediaType })
  const { bytes, descriptor } = signature.manifest
  const attached = await put(served, descriptor.digest, { bytes, type: descriptor.mediaType })

  const subject = anImage({ seed: 'never pushed' }).manifest.descriptor.digest
  assert.deepEqual([sparse.status, attached.status], [201, 201])
  assert.equal(attached.headers['oci-subject'], subject)
  const referrers = await served.send('GET', `/v2/app/web/referrers/${subject}`, basic())
  assert.equal(JSON.parse(referrers.text).manifests[0].digest, descriptor.digest)
})

test('a manifest of 4 MiB is taken, one byte more is not, declared or not', async (t) => {
  const served = await serveWritable(t)
  const limit = 4 * 1024 * 1024
  const sized = (size: number) => Buffer.from('{"schemaVersion":2,"manifests":[]}'.padEnd(size))
  const type = 'application/vnd.oci.image.index.v1+json'

  const whole = await put(served, 'v1', { bytes: sized(limit), type })
  const larger = await put(served, 'v2', { bytes: sized(limit + 1), type })
  const head = ['PUT /v2/app/web/manifests/v3 HTTP/1.1', 'Host: x', `Authorization: ${basic('writer').authorization}`]
  const framing = [`Content-Type: ${type}`, 'Transfer-Encoding: chunked', 'Connection: close']
  const chunk = Buffer.concat([
    Buffer.from(`${(limit + 1).toString(16)}\r\n`),
    sized(limit + 1),
    Buffer.from('\r\n0\r\n\r\n')
  ])
  const undeclared = await rawExchange(
    served.port,
    Buffer.concat([Buffer.from(`${[...head, ...framing].join('\r\n')}\r\n\r\n`), chunk])
  )

  assert.equal(whole.status, 201)
  assert.deepEqual([larger.status, larger.code], [413, 'TOO_LARGE'])
  assert.match(undeclared, /^HTTP\/1\.1 413 /)
})

test('deep JSON is refused before anything reads it', async (t) => {
  const served = await serveWritable(t)
  const deep = Buffer.from(`{"schemaVersion":2,"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)

  const answer = await put(served, 'v1', { bytes: deep, type: 'application/vnd.oci.image.index.v1+json' })

  assert.deepEqual([answer.status, answer.code], [400, 'MANIFEST_INVALID'])
})

test('an untag leaves the manifest, a delete takes its tags along, and what is gone is unknown', async (t) => {
  const served = await serveWritable(t)
  await served.hold('app/web', image, 'v1')
  await served.hold('app/web', image, 'v2')
  const at = (reference: string) => `/v2/app/web/manifests/${reference}`
  const remove = (reference: string) => served.send('DELETE', at(reference), basic('writer'))

  const untagged = await remove('v1')
  const still = await served.send('HEAD', at(digest), basic())
  const deleted = await remove(digest)

  assert.deepEqual([untagged.status, still.status, deleted.status], [202, 200, 202])
  for (const reference of ['v1', 'v2', digest]) {
    const [get, again] = [await served.send('GET', at(reference), basic()), await remove(reference)]
    assert.deepEqual([get.status, again.status, again.code], [404, 404, 'MANIFEST_UNKNOWN'], reference)
  }
  assert.equal((await remove('sha256:x')).code, 'DIGEST_INVALID')
})

test('a connection goes on after a push', async (t) => {
  const served = await serveWritable(t)
  const body = '{"schemaVersion":2,"manifests":[]}'
  const authorization = `Authorization: ${basic('writer').authorization}`
  const type = 'Content-Type: application/vnd.oci.image.index.v1+json'
  const push = [
    'PUT /v2/app/web/manifests/v1 HTTP/1.1',
    'Host: x',
    authorization,
    type,
    `Content-Length: ${body.length}`
  ]
  const ask = ['GET /v2/ HTTP/1.1', 'Host: x', authorization, 'Connection: close', '', '']

  const received = await rawExchange(served.port, [...push, '', body].join('\r\n') + ask.join('\r\n'))

  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 201', 'HTTP/1.1 200'])
})
