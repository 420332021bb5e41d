import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import { anImage, aReferrer, type BuiltImage, blobsOf } from '../../fixtures/image-builder.ts'
import { createCloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import { bytesOf, collect, connectionTo, openParent, password, tokenName } from './parent-rig.ts'

const actions = ['repositories/app/content/read', 'repositories/app/metadata/read']

async function cloudParent(t: TestContext, image: BuiltImage) {
  const cloud = createCloudRegistry({ tokens: [{ name: tokenName, password, actions }], pageSize: 2 })
  await cloud.start()
  t.after(() => cloud.stop())
  for (const tag of ['v1', 'v2', 'v3']) cloud.contents.put('app', image, tag)
  return { cloud, ...openParent(t, connectionTo(cloud.loginServer, 'http', cloud.dataEndpoint)) }
}

test('a cloud registry is read with a token of its scope map, by pages and by signed links', async (t) => {
  const image = anImage({ seed: 'cloud', layers: 1, layerSize: 50_000 })
  const { parent, signal, cloud } = await cloudParent(t, image)
  const signature = aReferrer(image, { artifactType: 'application/signature', content: 'signed' })
  cloud.contents.put('app', signature)
  const { digest } = image.manifest.descriptor
  const app = parent.repository('app')

  await parent.ping(signal)
  assert.deepEqual(await collect(app.listTags(signal)), ['v1', 'v2', 'v3'])
  assert.equal((await app.resolveTag('v2', signal))?.digest, digest)
  assert.deepEqual(
    (await app.referrers(digest, signal)).map((found) => found.digest),
    [signature.manifest.descriptor.digest]
  )
  for (const [digest, bytes] of blobsOf(image)) {
    const blob = await app.blob({ mediaType: 'application/octet-stream', digest, size: bytes.length }, 3, signal)
    assert.equal(blob.start, 3)
    assert.deepEqual(await bytesOf(blob.bytes), Buffer.from(bytes).subarray(3))
  }
})

test('a cloud registry tells its metadata, and refuses its catalog to a token with a scope map', async (t) => {
  const image = anImage({ seed: 'cloud' })
  const { parent, signal } = await cloudParent(t, image)
  const { digest } = image.manifest.descriptor
  const app = parent.repository('app')

  const attributes = await app.attributes(signal)
  assert.ok(attributes && attributes !== 'unsupported')
  assert.deepEqual([attributes.tagCount, attributes.manifestCount], [3, 1])
  const entries = await collect(app.tagEntries(signal, { orderby: 'timedesc' }))
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.digest]),
    ['v3', 'v2', 'v1'].map((name) => [name, digest])
  )
  const [manifest] = await collect(app.manifestEntries(signal))
  assert.equal(manifest?.digest, digest)
  await assert.rejects(collect(parent.catalog(signal)), isRefusal)
  await assert.rejects(collect(parent.repository('other').listTags(signal)), isRefusal)
})

function isRefusal(error: unknown): boolean {
  return error instanceof ParentError && (error.code === 'UNAUTHORIZED' || error.code === 'DENIED')
}
