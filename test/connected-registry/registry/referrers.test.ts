import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'
import { media, openRegistry, pushImage } from './open-registry.ts'

for (const medium of media) {
  test(`referrers are listed in digest order, of this subject and repository only (${medium})`, async (t) => {
    const open = await openRegistry(t, { medium })
    const [subject, other] = [anImage({ seed: 'a' }), anImage({ seed: 'b' })]
    const referrers = ['sbom', 'signature', 'scan'].map((kind) =>
      aReferrer(subject, { artifactType: `application/vnd.example.${kind}` })
    )
    for (const referrer of referrers) await pushImage(open, 'app', referrer)
    await pushImage(open, 'app', aReferrer(other, { artifactType: 'application/vnd.example.sbom' }))
    await pushImage(open, 'app2', aReferrer(subject, { artifactType: 'application/vnd.example.other' }))

    const listed = await open.registry.referrers.list('app', subject.manifest.descriptor.digest)

    const digests = referrers.map(({ manifest }) => manifest.descriptor.digest).sort()
    assert.deepEqual(
      listed.map(({ digest }) => digest),
      digests
    )
  })
}

test("an image's artifact type falls back to its config's media type, an index has none", async (t) => {
  const open = await openRegistry(t)
  const subject = anImage({ seed: 'subject' })
  await pushImage(open, 'app', anImage({ seed: 'about', subject }))
  await pushImage(open, 'app', anIndex([], { subject }))

  const listed = await open.registry.referrers.list('app', subject.manifest.descriptor.digest)

  const types = listed.map(({ mediaType, artifactType }) => [mediaType, artifactType])
  assert.deepEqual(
    new Map(types as [string, string | undefined][]),
    new Map([
      [mediaTypes.ociManifest, mediaTypes.ociConfig],
      [mediaTypes.ociIndex, undefined]
    ])
  )
})

test('a removed manifest is no referrer any more', async (t) => {
  const open = await openRegistry(t)
  const subject = anImage()
  const referrer = aReferrer(subject, { artifactType: 'application/vnd.example.sbom' })
  await pushImage(open, 'app', subject, 'v1')
  await pushImage(open, 'app', referrer)

  await open.registry.manifests.remove('app', referrer.manifest.descriptor.digest, { origin: 'parent' })

  assert.deepEqual(await open.registry.referrers.list('app', subject.manifest.descriptor.digest), [])
})

test('nothing is about a digest that nobody knows', async (t) => {
  const open = await openRegistry(t)

  assert.deepEqual(await open.registry.referrers.list('app', digestOf(Buffer.from('x'))), [])
})
