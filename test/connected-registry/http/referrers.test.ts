import assert from 'node:assert/strict'
import test from 'node:test'
import { anImage, aReferrer } from '../../fixtures/image-builder.ts'
import { basic, serveRegistry } from './served-registry.ts'

const indexType = 'application/vnd.oci.image.index.v1+json'

interface Index {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly manifests: readonly { readonly digest: string; readonly artifactType: string }[]
}

test('what refers to a manifest comes as an index, all or of one type', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  const sbom = aReferrer(image, { artifactType: 'application/vnd.example.sbom+json' })
  for (const held of [image, signature, sbom]) await served.hold('app/web', held)
  const path = `/v2/app/web/referrers/${image.manifest.descriptor.digest}`

  const all = await served.send('GET', path, basic())
  const some = await served.send('GET', `${path}?artifactType=application%2Fvnd.example.sbom%2Bjson`, basic())

  const index = JSON.parse(all.text) as Index
  assert.deepEqual([all.status, all.headers['content-type']], [200, indexType])
  assert.deepEqual([index.schemaVersion, index.mediaType], [2, indexType])
  assert.deepEqual(
    index.manifests.map(({ digest }) => digest),
    [signature, sbom].map(({ manifest }) => manifest.descriptor.digest).sort()
  )
  assert.equal(all.headers['oci-filters-applied'], undefined)
  assert.deepEqual(
    (JSON.parse(some.text) as Index).manifests.map(({ artifactType }) => artifactType),
    ['application/vnd.example.sbom+json']
  )
  assert.equal(some.headers['oci-filters-applied'], 'artifactType')
})

test('where nothing refers to a digest the index is empty, and a broken digest is invalid', async (t) => {
  const served = await serveRegistry(t)

  const empty = await served.send('GET', `/v2/app/web/referrers/sha256:${'0'.repeat(64)}`, basic())
  const broken = await served.send('GET', '/v2/app/web/referrers/latest', basic())

  assert.deepEqual([empty.status, (JSON.parse(empty.text) as Index).manifests], [200, []])
  assert.deepEqual([broken.status, broken.code], [400, 'DIGEST_INVALID'])
})
