import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import type { BlobReader } from '../../../modules/connected-registry/src/storage/blob-store.ts'
import { keys } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushBlobs, pushImage } from './open-registry.ts'

for (const medium of media) {
  test(`a linked blob is read whole or in part (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const image = anImage()
    const [digest, bytes] = [...image.blobs].at(-1)!
    await pushBlobs(open, 'app', image)

    const whole = await contentOf(await open.registry.blobs.open('app', digest))
    const part = await contentOf(await open.registry.blobs.open('app', digest, { first: 10, last: 19 }))

    assert.deepEqual(await open.registry.blobs.stat('app', digest), { size: bytes.length })
    assert.deepEqual(whole, Buffer.from(bytes))
    assert.deepEqual(part, Buffer.from(bytes).subarray(10, 20))
  })
}

// CVE-2024-39897: a digest that the store holds for somebody else must look like one that it does not hold.
test('a blob of one repository is not there in another one', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  await pushBlobs(open, 'one', image)

  for (const digest of image.blobs.keys()) {
    assert.equal(await open.registry.blobs.stat('two', digest), undefined)
    assert.equal(await open.registry.blobs.open('two', digest), undefined)
  }
})

test('content of the store is linked without its bytes coming again', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const [digest, bytes] = [...image.blobs][0]!
  await pushBlobs(open, 'one', image)

  const linked = await open.registry.blobs.link('two', { digest, mediaType: 'application/json' })

  assert.equal(linked, true)
  assert.deepEqual(await contentOf(await open.registry.blobs.open('two', digest)), Buffer.from(bytes))
  assert.equal(await open.registry.repositories.has('two'), true)
})

test('what the store does not hold is not linked, and makes no repository', async (t) => {
  const open = await openRegistry(t)
  const digest = digestOf(Buffer.from('nowhere'))

  assert.equal(await open.registry.blobs.link('app', { digest, mediaType: 'application/json' }), false)
  assert.equal(await open.registry.repositories.has('app'), false)
})

test('the layers of a new repository may all be linked at once', async (t) => {
  const open = await openRegistry(t)
  const image = anImage({ layers: 40, layerSize: 16 })
  await pushBlobs(open, 'one', image)

  const links = [...image.blobs.keys()].map((digest) =>
    open.registry.blobs.link('two', { digest, mediaType: 'application/octet-stream' })
  )

  assert.ok((await Promise.all(links)).every((linked) => linked))
  for (const digest of image.blobs.keys()) assert.ok(await open.registry.blobs.stat('two', digest))
})

async function contentOf(reader: BlobReader | undefined): Promise<Buffer> {
  assert.ok(reader)
  const chunks: Buffer[] = []
  const buffer = Buffer.alloc(64)
  for (let read = await reader.read(buffer); read > 0; read = await reader.read(buffer)) {
    chunks.push(Buffer.from(buffer.subarray(0, read)))
  }
  return Buffer.concat(chunks)
}

test('an unlinked blob is gone from its repository and from no other one', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const [digest] = [...image.blobs.keys()]
  await pushBlobs(open, 'one', image)
  await pushBlobs(open, 'two', image)

  assert.equal(await open.registry.blobs.unlink('one', digest!), true)

  assert.equal(await open.registry.blobs.stat('one', digest!), undefined)
  assert.equal(await open.registry.blobs.open('one', digest!), undefined)
  assert.ok(await open.registry.blobs.stat('two', digest!))
  assert.equal(await open.registry.blobs.unlink('one', digest!), false)
})

test('a blob that a manifest names stays until the manifest is gone', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const [digest] = [...image.blobs.keys()]
  await pushImage(open, 'app', image, 'v1')

  await assert.rejects(open.registry.blobs.unlink('app', digest!), { code: 'UNSUPPORTED' })

  assert.ok(await open.registry.blobs.stat('app', digest!))
  await open.registry.manifests.remove('app', image.manifest.descriptor.digest, { origin: 'client:writer' })
  assert.equal(await open.registry.blobs.unlink('app', digest!), true)
})

test('of a blob that is unlinked and a manifest that names it, put at the same moment, only one comes about', async (t) => {
  const image = anImage()
  const [digest] = [...image.blobs.keys()]
  const link = keys.link('app', digest!)
  let isPut = false
  const open = await openRegistry(t, {
    beforeCommit: async (batch) => {
      if (isPut || !batch.remove?.includes(link)) return
      isPut = true
      await open.registry.manifests.put('app', image.manifest, { origin: 'client:writer', tag: 'v1' })
    }
  })
  await pushBlobs(open, 'app', image)

  await assert.rejects(open.registry.blobs.unlink('app', digest!), { code: 'UNSUPPORTED' })

  assert.equal(isPut, true)
  assert.ok(await open.registry.blobs.stat('app', digest!))
  assert.ok(await open.registry.manifests.get('app', { kind: 'tag', tag: 'v1' }))
})

test('the holders of a blob are the repositories that link it', async (t) => {
  const open = await openRegistry(t)
  const image = anImage()
  const [digest] = [...image.blobs.keys()]
  for (const repository of ['two', 'one', 'three/four']) await pushBlobs(open, repository, image)
  await open.registry.blobs.unlink('two', digest!)

  const holders: string[] = []
  for await (const repository of open.registry.blobs.holders(digest!)) holders.push(repository)

  assert.deepEqual(holders, ['one', 'three/four'])
})
