import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startForeignRegistry } from '../../fixtures/foreign-registry.ts'
import { anImage, type BuiltImage, blobsOf, manifestsOf } from '../../fixtures/image-builder.ts'
import { basicAuthorization, pushImage } from '../../fixtures/push-image.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { bytesOf, collect, openParent, password, tokenName } from './parent-rig.ts'

// A registry that nobody here wrote: what agrees with it agrees with the specification, not with our own reading of it.
interface ForeignOptions {
  readonly user?: { readonly name: string; readonly password: string }
}

async function foreignParent(t: TestContext, { user }: ForeignOptions = {}) {
  const registry = await startForeignRegistry(user ? { htpasswd: user } : {})
  t.after(() => registry.stop())
  const authorization = user ? { authorization: basicAuthorization(user.name, user.password) } : {}
  const push = (image: BuiltImage, repository: string, tag: string) =>
    pushImage(image, { url: registry.url, repository, tag, ...authorization })
  return { ...openParent(t, registry.host), registry, push }
}

test('a foreign registry is read whole: tags, manifests, blobs from any byte', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const { parent, signal, push } = await foreignParent(t)
  const image = anImage({ seed: 'foreign', layers: 2, layerSize: 200_000 })
  await push(image, 'team/app', 'v1')
  await push(image, 'team/app', 'v2')
  const app = parent.repository('team/app')

  await parent.ping(signal)
  assert.deepEqual(await collect(parent.catalog(signal)), ['team/app'])
  assert.deepEqual((await collect(app.listTags(signal))).toSorted(), ['v1', 'v2'])
  const resolved = await app.resolveTag('v1', signal)
  assert.equal(resolved?.digest, image.manifest.descriptor.digest)
  for (const { descriptor, bytes } of manifestsOf(image)) {
    const found = await app.manifest({ kind: 'digest', digest: descriptor.digest }, signal)
    assert.deepEqual(Buffer.from(found?.bytes ?? []), Buffer.from(bytes))
  }
  for (const [digest, bytes] of blobsOf(image)) {
    const descriptor = { mediaType: 'application/octet-stream', digest, size: bytes.length }
    const rest = await app.blob(descriptor, 7, signal)
    assert.equal(rest.start, 7)
    assert.deepEqual(await bytesOf(rest.bytes), Buffer.from(bytes).subarray(7))
    const whole = await app.blob(descriptor, 0, signal)
    assert.deepEqual(await bytesOf(whole.bytes), Buffer.from(bytes))
  }
})

test('a foreign registry says what it does not have', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const { parent, signal, push } = await foreignParent(t)
  const image = anImage({ seed: 'foreign' })
  await push(image, 'app', 'v1')
  const { digest } = image.manifest.descriptor

  assert.equal(await parent.repository('app').resolveTag('gone', signal), undefined)
  assert.equal(await parent.repository('app').manifest({ kind: 'tag', tag: 'gone' }, signal), undefined)
  assert.deepEqual(await parent.repository('app').referrers(digest, signal), [])
  assert.equal(await parent.repository('app').attributes(signal), 'unsupported')
  await assert.rejects(collect(parent.repository('missing').listTags(signal)), { code: 'NAME_UNKNOWN' })
  await assert.rejects(parent.repository('app').blob({ mediaType: 'x/y', digest, size: 1 }, 0, signal), {
    code: 'NOT_FOUND',
    parentCode: 'BLOB_UNKNOWN'
  })
})

test('a foreign registry with htpasswd knows us by Basic, and refuses a wrong password', async (t) => {
  if (!requireTool(t, 'docker-registry') || !requireTool(t, 'perl')) return
  const { parent, signal, push } = await foreignParent(t, { user: { name: tokenName, password } })
  await push(anImage({ seed: 'foreign' }), 'app', 'v1')
  const stranger = await foreignParent(t, { user: { name: tokenName, password: 'another' } })

  await parent.ping(signal)
  assert.deepEqual(await collect(parent.repository('app').listTags(signal)), ['v1'])
  assert.equal(await parent.repository('app').attributes(signal), 'unsupported')
  await assert.rejects(stranger.parent.ping(signal), { code: 'UNAUTHORIZED', status: 401 })
})

test('a foreign registry that dies is unreachable, and a retry may help', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const { parent, signal, registry } = await foreignParent(t)
  await parent.ping(signal)

  await registry.kill()

  await assert.rejects(parent.ping(signal), { code: 'UNREACHABLE', retryable: true })
})
