import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { RegistryError } from '../../../modules/connected-registry/src/protocol/errors.ts'
import { manifestSizeLimit, parseManifest } from '../../../modules/connected-registry/src/protocol/manifest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { anImage, anIndex, aReferrer } from '../../fixtures/image-builder.ts'

const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 }
const layer = { mediaType: mediaTypes.ociLayer, digest: digestOf(Buffer.from('layer')), size: 5 }
const image = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] }
const child = { mediaType: mediaTypes.ociManifest, digest: digestOf(Buffer.from('child')), size: 5 }
const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [child] }

test('an image names its config and its layers', () => {
  for (const types of ['oci', 'docker'] as const) {
    const { manifest, blobs } = anImage({ layers: 3, mediaTypes: types })

    const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType)

    assert.equal(parsed.kind, 'image')
    assert.equal(parsed.mediaType, manifest.descriptor.mediaType)
    assert.deepEqual(new Set(parsed.blobs.map(({ digest }) => digest)), new Set(blobs.keys()))
    assert.equal(parsed.blobs[0], parsed.config)
    assert.ok(parsed.blobs.every(({ foreign }) => !foreign))
    assert.deepEqual(parsed.manifests, [])
  }
})

test('an index names its manifests, each with its platform', () => {
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' }
  const built = anIndex([anImage({ platform }), aReferrer(anImage(), { artifactType: 'application/vnd.example' })])

  const parsed = parseManifest(built.manifest.bytes, `${built.manifest.descriptor.mediaType}; charset=utf-8`)

  const [first, second] = built.children.map(({ manifest }) => manifest.descriptor)
  assert.equal(parsed.kind, 'index')
  assert.deepEqual(parsed.manifests, [{ ...first, platform }, second])
  assert.equal(parsed.artifactType, undefined)
})

test('a referrer names its subject, its artifact type and its annotations', () => {
  const subject = anImage()
  const annotations = { 'org.example.by': 'ci' }
  const referrer = aReferrer(subject, { artifactType: 'application/vnd.example.sbom', annotations })

  const parsed = parseManifest(referrer.manifest.bytes)

  assert.deepEqual(parsed.subject, subject.manifest.descriptor)
  assert.equal(parsed.artifactType, 'application/vnd.example.sbom')
  assert.deepEqual(parsed.annotations, annotations)
})

test("an image without an artifact type is shown under its config's media type", () => {
  assert.equal(parse(image).artifactType, mediaTypes.ociConfig)
  assert.equal(parse({ ...image, artifactType: '' }).artifactType, mediaTypes.ociConfig)
})

test('an OCI body without a media type is what it was declared to be, or what it looks like', () => {
  const { mediaType: _image, ...plainImage } = image
  const { mediaType: _index, ...plainIndex } = index

  assert.equal(parse(plainImage, mediaTypes.ociManifest).mediaType, mediaTypes.ociManifest)
  assert.equal(parse(plainImage).kind, 'image')
  assert.equal(parse(plainIndex).kind, 'index')
})

test('what Go writes as null is missing', () => {
  const parsed = parse({ ...image, layers: null, subject: null, annotations: null, artifactType: null })

  assert.equal(parsed.blobs.length, 1)
  assert.equal(parsed.subject, undefined)
  assert.deepEqual(parse({ ...index, manifests: null }).manifests, [])
})

test('a layer is foreign when its licence keeps it out of registries and it says where it is', () => {
  const urls = ['https://licensed.example/layer']
  const foreign = { ...layer, mediaType: mediaTypes.dockerForeignLayer }
  const oci = { ...layer, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' }
  const layers = [{ ...foreign, urls }, { ...oci, urls }, foreign, { ...layer, urls }, { ...foreign, urls: [] }]

  const flags = parse({ ...image, layers })
    .blobs.slice(1)
    .map(({ foreign }) => foreign)

  assert.deepEqual(flags, [true, true, false, false, false])
})

const refused: readonly (readonly [why: string, path: string, body: unknown, declared?: string])[] = [
  ['schema 1', 'schemaVersion', { schemaVersion: 1, name: 'app', fsLayers: [] }],
  ['schema 1 by its type', 'schemaVersion', image, mediaTypes.dockerSchema1Signed],
  ['schema 1 by its own type', 'schemaVersion', { ...image, mediaType: mediaTypes.dockerSchema1 }],
  ['no schema version', 'schemaVersion', { ...image, schemaVersion: undefined }],
  ['layers in an index', 'layers', { ...index, layers: [layer] }],
  ['a config in an index', 'config', { ...index, config }],
  ['manifests in an image', 'manifests', { ...image, manifests: [child] }],
  ['empty manifests in an image', 'manifests', { ...image, manifests: null }],
  ['manifests in another case', 'Manifests', { ...image, Manifests: [child] }],
  ['layers in another case', 'LAYERS', { ...index, LAYERS: [layer] }],
  ['a config in another case', 'Config', { ...image, Config: config }],
  ['an index declared as an image', 'mediaType', index, mediaTypes.ociManifest],
  [
    'a Docker image declared as an OCI one',
    'mediaType',
    { ...image, mediaType: mediaTypes.dockerManifest },
    mediaTypes.ociManifest
  ],
  ['a Docker image without its type', 'mediaType', { ...image, mediaType: undefined }, mediaTypes.dockerManifest],
  ['a type nobody knows', 'mediaType', { ...image, mediaType: 'application/vnd.example' }],
  ['a type that is no text', 'mediaType', { ...image, mediaType: 7 }],
  ['no config', 'config', { ...image, config: undefined }],
  ['a digest of another algorithm', 'layers[0].digest', { ...image, layers: [{ ...layer, digest: 'md5:abc' }] }],
  [
    'a digest that is a path',
    'layers[1].digest',
    { ...image, layers: [layer, { ...layer, digest: 'sha256:../../etc' }] }
  ],
  ['a negative size', 'config.size', { ...image, config: { ...config, size: -1 } }],
  ['a broken size', 'config.size', { ...image, config: { ...config, size: 1.5 } }],
  ['a size beyond all bounds', 'config.size', { ...image, config: { ...config, size: 2 ** 53 } }],
  ['a size in quotes', 'manifests[0].size', { ...index, manifests: [{ ...child, size: '5' }] }],
  ['a descriptor without a type', 'manifests[0].mediaType', { ...index, manifests: [{ ...child, mediaType: '' }] }],
  ['a descriptor that is a list', 'manifests[0]', { ...index, manifests: [[child]] }],
  ['layers that are no list', 'layers', { ...image, layers: { 0: layer } }],
  ['a subject that is no descriptor', 'subject', { ...image, subject: 'sha256:' }],
  ['annotations that are no text', 'annotations["a"]', { ...image, annotations: { a: 1 } }],
  ['urls that are no text', 'layers[0].urls[0]', { ...image, layers: [{ ...layer, urls: [1] }] }],
  ['a list', '', [image]],
  ['null', '', null]
]

for (const [why, path, body, declared] of refused) {
  test(`refused as a manifest, and told where: ${why}`, () => {
    assert.throws(
      () => parse(body, declared),
      (error) => error instanceof RegistryError && error.code === 'MANIFEST_INVALID' && pathOf(error) === path
    )
  })
}

test('schema 1 is refused by its name', () => {
  assert.throws(
    () => parse({ schemaVersion: 1 }),
    (error) => error instanceof RegistryError && JSON.stringify(error.detail).includes('schema 1')
  )
})

test('bytes that are no JSON in UTF-8 are refused', () => {
  const text = JSON.stringify(image)
  const bodies = [
    Buffer.from(''),
    Buffer.from('{'),
    Buffer.from(`\ufeff${text}`),
    Buffer.from(text, 'utf16le'),
    Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"x":"'), Buffer.of(0xc3, 0x28), Buffer.from('"}')])
  ]

  for (const body of bodies) assert.throws(() => parseManifest(body), { code: 'MANIFEST_INVALID' })
})

test('a manifest of exactly 4 MiB is taken, one byte more is not', () => {
  const empty = JSON.stringify({ ...image, annotations: { pad: '' } })
  const padded = (size: number) => Buffer.from(empty.replace('""', `"${'x'.repeat(size - empty.length)}"`))

  assert.equal(parseManifest(padded(manifestSizeLimit)).kind, 'image')
  assert.throws(() => parseManifest(padded(manifestSizeLimit + 1)), { code: 'MANIFEST_INVALID' })
})

test('depth and number of descriptors are bounded', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const body = (extra: string) => Buffer.from(JSON.stringify(image).replace('{', `{"x":${extra},`))

  assert.equal(parseManifest(body(nested(60))).kind, 'image')
  assert.equal(parseManifest(body(`"${'['.repeat(100)}\\"${'{'.repeat(100)}"`)).kind, 'image')
  assert.throws(() => parseManifest(body(nested(64))), { code: 'MANIFEST_INVALID' })
  assert.throws(() => parseManifest(Buffer.from('['.repeat(4_000_000))), { code: 'MANIFEST_INVALID' })
  assert.throws(() => parse({ ...image, layers: Array(10_001).fill(layer) }), { code: 'MANIFEST_INVALID' })
  assert.equal(parse({ ...image, layers: Array(10_000).fill(layer) }).blobs.length, 10_001)
})

test('any bytes are either a manifest or refused as one', () => {
  const json = fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text))
  const spoiled = fc
    .tuple(
      fc.constantFrom(image, index),
      fc.constantFrom('config', 'layers', 'manifests', 'mediaType', 'subject'),
      fc.jsonValue()
    )
    .map(([body, field, value]) => Buffer.from(JSON.stringify({ ...body, [field]: value })))
  const bytes = fc.oneof(fc.uint8Array(), json, spoiled)

  fc.assert(
    fc.property(bytes, fc.option(fc.constantFrom(...Object.values(mediaTypes)), { nil: undefined }), (body, type) => {
      try {
        const { kind, blobs, manifests } = parseManifest(body, type)
        assert.ok(kind === 'image' ? blobs.length > 0 && manifests.length === 0 : blobs.length === 0)
      } catch (error) {
        assert.ok(error instanceof RegistryError && error.code === 'MANIFEST_INVALID', String(error))
      }
    }),
    { numRuns: 2000 }
  )
})

function parse(body: unknown, declared?: string) {
  return parseManifest(Buffer.from(JSON.stringify(body)), declared)
}

function pathOf(error: RegistryError): unknown {
  return (error.detail as { path: unknown }).path
}
