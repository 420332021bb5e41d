import assert from 'node:assert/strict'
import test from 'node:test'
import { anImage, aReferrer } from '../../fixtures/image-builder.ts'
import { basic, type ServedRegistry, serveRegistry } from './served-registry.ts'

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

test('referrers with much to say come in pages that are no larger than a manifest, each once, of one type too', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  const annotations = { note: 'x'.repeat(1.5 * 2 ** 20) }
  const kinds = ['signature', 'sbom', 'scan', 'signature', 'signature']
  const referrers = kinds.map((kind, at) =>
    aReferrer(image, { artifactType: `application/vnd.example.${kind}`, content: String(at), annotations })
  )
  for (const held of [image, ...referrers]) await served.hold('app/web', held)
  const path = `/v2/app/web/referrers/${image.manifest.descriptor.digest}`

  const all = await everyPage(served, path)
  const signatures = await everyPage(served, `${path}?artifactType=application%2Fvnd.example.signature`)

  const digests = referrers.map(({ manifest }) => manifest.descriptor.digest)
  assert.deepEqual(all.digests, digests.toSorted())
  assert.deepEqual(signatures.digests, digests.filter((_, at) => kinds[at] === 'signature').toSorted())
  assert.deepEqual([all.sizes.length, signatures.sizes.length], [3, 2])
  assert.ok([...all.sizes, ...signatures.sizes].every((size) => size <= 4 * 2 ** 20))
  assert.equal((await served.send('GET', `${path}?last=x`, basic())).code, 'DIGEST_INVALID')
})

async function everyPage(served: ServedRegistry, path: string) {
  const [digests, sizes]: [string[], number[]] = [[], []]
  for (let next: string | undefined = path; next; ) {
    const answer = await served.send('GET', next, basic())
    digests.push(...(JSON.parse(answer.text) as Index).manifests.map(({ digest }) => digest))
    sizes.push(answer.bytes.length)
    next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
  }
  return { digests, sizes }
}

test('where nothing refers to a digest the index is empty, and a broken digest is invalid', async (t) => {
  const served = await serveRegistry(t)

  const empty = await served.send('GET', `/v2/app/web/referrers/sha256:${'0'.repeat(64)}`, basic())
  const broken = await served.send('GET', '/v2/app/web/referrers/latest', basic())

  assert.deepEqual([empty.status, (JSON.parse(empty.text) as Index).manifests], [200, []])
  assert.deepEqual([broken.status, broken.code], [400, 'DIGEST_INVALID'])
})
