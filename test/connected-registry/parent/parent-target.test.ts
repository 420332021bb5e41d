import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { UploadSessions } from '../../../modules/connected-registry/src/parent/blob-upload.ts'
import { ParentError } from '../../../modules/connected-registry/src/parent/parent-error.ts'
import type { ParentTargetOptions } from '../../../modules/connected-registry/src/parent/parent-target.ts'
import { startForeignRegistry } from '../../fixtures/foreign-registry.ts'
import { anImage, aReferrer, type BuiltImage, blobsOf } from '../../fixtures/image-builder.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { createCloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import type { Fault } from '../../simulators/cloud-registry/faults.ts'
import { bytesOf, connectionTo, openParent, type ParentRig, password, tokenName } from './parent-rig.ts'
import { someBlob } from './some-blob.ts'

const rights = ['content/read', 'content/write', 'content/delete', 'metadata/read']
const actions = ['app', 'base'].flatMap((name) => rights.map((right) => `repositories/${name}/${right}`))

async function cloudParent(t: TestContext, acr = true) {
  const cloud = createCloudRegistry({ acr, tokens: [{ name: tokenName, password, actions }] })
  await cloud.start()
  t.after(() => cloud.stop())
  return { cloud, ...openParent(t, connectionTo(cloud.loginServer, 'http', cloud.dataEndpoint)) }
}

async function foreignParent(t: TestContext) {
  const registry = await startForeignRegistry({ delete: true, htpasswd: { name: tokenName, password } })
  t.after(() => registry.stop())
  return openParent(t, registry.host)
}

const kinds = { acr: cloudParent, plain: (t: TestContext) => cloudParent(t, false), 'docker-registry': foreignParent }

function targetOf({ parent, signal }: ParentRig, options: Partial<ParentTargetOptions> = {}) {
  return parent.repository('app').target({ signal, ...options })
}

async function push(rig: ParentRig, image: BuiltImage, tag: string): Promise<void> {
  const target = targetOf(rig)
  for (const bytes of blobsOf(image).values()) {
    const source = { ...someBlob('', 0).source, blob: async () => ({ start: 0, bytes: once(bytes) }) }
    const digest = [...blobsOf(image)].find(([, held]) => held === bytes)![0]
    await target.putBlob({ mediaType: 'application/octet-stream', digest, size: bytes.length }, source, rig.signal)
  }
  await target.putManifest(image.manifest)
  await target.putTag(tag, image.manifest)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

for (const [kind, open] of Object.entries(kinds)) {
  test(`${kind}: what is pushed is there, byte by byte, and goes again by digest`, async (t) => {
    if (kind === 'docker-registry' && !requireTool(t, kind)) return
    const rig = await open(t)
    const { parent, signal } = rig
    const image = anImage({ seed: 'pushed', layers: 2 })
    const { digest } = image.manifest.descriptor

    assert.equal(await targetOf(rig).hasManifest(digest), false, 'not even the repository is there')
    await push(rig, image, '1.0')

    const app = parent.repository('app')
    assert.equal((await app.resolveTag('1.0', signal))?.digest, digest)
    assert.equal((await app.resolveDigest(digest, signal))?.size, image.manifest.bytes.length)
    assert.equal(await targetOf(rig).hasManifest(digest), true)
    for (const [blob, bytes] of blobsOf(image)) {
      const descriptor = { mediaType: 'application/octet-stream', digest: blob, size: bytes.length }
      assert.equal(await targetOf(rig).adoptBlob(descriptor), true)
      const content = await app.blob(descriptor, 0, signal)
      assert.deepEqual(await bytesOf(content.bytes), Buffer.from(bytes))
    }
    await targetOf(rig).removeManifest(digest)
    await targetOf(rig).removeManifest(digest)
    assert.equal(await targetOf(rig).hasManifest(digest), false)
  })

  test(`${kind}: a large blob goes in chunks, and is what was sent`, async (t) => {
    if (kind === 'docker-registry' && !requireTool(t, kind)) return
    const rig = await open(t)
    const { descriptor, source, bytes, offsets } = someBlob('large', 20_000_000)
    const sent = counter()

    await targetOf(rig, { onBytes: sent.add }).putBlob(descriptor, source, rig.signal)

    const content = await rig.parent.repository('app').blob(descriptor, 0, rig.signal)
    assert.ok((await bytesOf(content.bytes)).equals(bytes))
    assert.deepEqual(offsets, [0, 8 << 20, 16 << 20])
    assert.equal(sent.total(), bytes.length)
  })

  test(`${kind}: an upload that was begun by an earlier process goes on where it stands`, async (t) => {
    if (kind === 'docker-registry' && !requireTool(t, kind)) return
    const rig = await open(t)
    const { descriptor, source, bytes } = someBlob('resumed', 20_000_000)
    const ended = new AbortController()
    // Told when it begins, and after each chunk.
    const sessions = memorySessions((times) => times === 3 && ended.abort(new Error('the process ends')))
    await assert.rejects(targetOf(rig, { sessions }).putBlob(descriptor, source, ended.signal), /the process ends/)

    const again = counter()
    await targetOf(rig, { sessions, onBytes: again.add }).putBlob(descriptor, source, rig.signal)

    assert.equal(again.total(), bytes.length - (16 << 20))
    const content = await rig.parent.repository('app').blob(descriptor, 0, rig.signal)
    assert.ok((await bytesOf(content.bytes)).equals(bytes))
    assert.equal(sessions.open(), 0)
  })
}

function counter() {
  let sum = 0
  return {
    total: () => sum,
    add(count: number) {
      sum += count
    }
  }
}

function memorySessions(onSave: (times: number) => void = () => {}): UploadSessions & { open(): number } {
  const held = new Map<string, string>()
  let times = 0
  return {
    open: () => held.size,
    find: async (_, { digest }) => held.get(digest),
    async save(_, { digest }, location) {
      if (location === undefined) held.delete(digest)
      else held.set(digest, location)
      onSave(++times)
    }
  }
}

test('docker-registry: an upload cut within a chunk, which it cannot go on with, arrives all the same', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const rig = await foreignParent(t)
  const { descriptor, source, bytes } = someBlob('cut', 20_000_000)
  const ended = new AbortController()
  const sessions = memorySessions()
  const sent = counter()
  const onBytes = (count: number) => {
    sent.add(count)
    if (sent.total() > 17_000_000) ended.abort(new Error('the process ends'))
  }
  await assert.rejects(
    targetOf(rig, { sessions, onBytes }).putBlob(descriptor, source, ended.signal),
    /the process ends/
  )

  await targetOf(rig, { sessions }).putBlob(descriptor, source, rig.signal)

  const content = await rig.parent.repository('app').blob(descriptor, 0, rig.signal)
  assert.ok((await bytesOf(content.bytes)).equals(bytes))
})

for (const acr of [true, false])
  test(`${acr ? 'acr' : 'plain'}: an untag leaves the manifest, and one that is gone already is done`, async (t) => {
    const rig = await cloudParent(t, acr)
    const image = anImage({ seed: 'tagged' })
    for (const tag of ['1.0', 'latest']) rig.cloud.contents.put('app', image, tag)

    await targetOf(rig).removeTag('latest')
    await targetOf(rig).removeTag('latest')

    assert.deepEqual([...rig.cloud.contents.repository('app')!.tags.keys()], ['1.0'])
    const path = acr ? '/acr/v1/app/_tags/latest' : '/v2/app/manifests/latest'
    assert.ok(rig.cloud.requests.some(({ method, url }) => method === 'DELETE' && url === path))
  })

test('docker-registry: an untag, which it does not support, is refused and takes nothing away', async (t) => {
  if (!requireTool(t, 'docker-registry')) return
  const rig = await foreignParent(t)
  const image = anImage({ seed: 'tagged' })
  await push(rig, image, '1.0')

  await assert.rejects(targetOf(rig).removeTag('1.0'), { code: 'REFUSED' })

  assert.equal(
    (await rig.parent.repository('app').resolveTag('1.0', rig.signal))?.digest,
    image.manifest.descriptor.digest
  )
})

test('a blob that another repository above holds is mounted: no byte of it travels', async (t) => {
  const rig = await cloudParent(t)
  const { descriptor, bytes, source, offsets } = someBlob('base layer', 30_000)
  rig.cloud.contents.putBlob('base', bytes)

  await targetOf(rig, { mountFrom: async () => 'base' }).putBlob(descriptor, source, rig.signal)

  assert.ok(rig.cloud.contents.blob('app', descriptor.digest))
  assert.deepEqual(offsets, [])
})

test('a blob that the other repository lacks is uploaded by the session that the mount got instead', async (t) => {
  const rig = await cloudParent(t)
  const { descriptor, source } = someBlob('base layer', 30_000)

  await targetOf(rig, { mountFrom: async () => 'base' }).putBlob(descriptor, source, rig.signal)

  assert.ok(rig.cloud.contents.blob('app', descriptor.digest))
  assert.equal(rig.cloud.requests.filter(({ method, status }) => method === 'POST' && status === 202).length, 1)
})

test('a cut in the middle of an upload is asked after, and what arrived is not sent again', async (t) => {
  const rig = await cloudParent(t)
  const { descriptor, source, offsets } = someBlob('cut', 20_000_000)
  rig.cloud.faults.add({ method: 'PATCH' }, { kind: 'cut' }, { times: 1 })

  await targetOf(rig).putBlob(descriptor, source, rig.signal)

  assert.ok(rig.cloud.contents.blob('app', descriptor.digest))
  assert.deepEqual(offsets, [0, 0, 8 << 20, 16 << 20])
})

test('an upload whose last answer is lost is not made again', async (t) => {
  const rig = await cloudParent(t)
  const { descriptor, source, offsets } = someBlob('answer lost', 9_000_000)
  rig.cloud.faults.add({ method: 'PUT' }, { kind: 'cut', afterBytes: 0 }, { times: 1 })

  await targetOf(rig).putBlob(descriptor, source, rig.signal)

  assert.deepEqual(offsets, [0, 8 << 20])
})

const refusals: readonly (readonly [what: string, status: number, code: string])[] = [
  ['the token may not write', 403, 'DENIED'],
  ['the quota is used up', 507, 'QUOTA_EXCEEDED'],
  ['the content is too large', 413, 'SIZE_INVALID'],
  ['the tag is immutable', 409, 'TAG_IMMUTABLE'],
  ['the tag is locked', 405, 'UNSUPPORTED'],
  ['the manifest is not taken', 400, 'MANIFEST_INVALID']
]

for (const [what, status, code] of refusals)
  test(`${what} (${status}): a refusal, with the parent's own code, and asked once`, async (t) => {
    const rig = await cloudParent(t)
    const body = JSON.stringify({ errors: [{ code, message: 'no' }] })
    const fault: Fault = { kind: 'answer', status, headers: { 'content-type': 'application/json' }, body }
    const rule = rig.cloud.faults.add({ method: 'PUT', route: 'manifest' }, fault)

    const putting = targetOf(rig).putTag('1.0', anImage().manifest)

    await assert.rejects(putting, { code: 'REFUSED', status, parentCode: code })
    assert.equal(rule.struck, 1)
  })

for (const fault of [{ status: 503 }, { status: 500 }, { status: 502 }])
  test(`a parent that fails (${fault.status}) is asked again, and has refused nothing`, async (t) => {
    const rig = await cloudParent(t)
    const rule = rig.cloud.faults.add({ method: 'PUT', route: 'manifest' }, { kind: 'answer', ...fault })

    const putting = targetOf(rig).putManifest(anImage().manifest)

    await assert.rejects(putting, { code: 'SERVER_ERROR', retryable: true })
    assert.ok(rule.struck > 1)
  })

test('a token without the right to write is refused what it pushes', async (t) => {
  const cloud = createCloudRegistry({
    tokens: [{ name: tokenName, password, actions: ['repositories/app/content/read'] }]
  })
  await cloud.start()
  t.after(() => cloud.stop())
  const rig = openParent(t, connectionTo(cloud.loginServer, 'http', cloud.dataEndpoint))

  await assert.rejects(
    targetOf(rig).putManifest(anImage().manifest),
    (error) => error instanceof ParentError && ['DENIED', 'REFUSED'].includes(error.code)
  )
})

test('a referrer names its subject above', async (t) => {
  const rig = await cloudParent(t)
  const image = anImage({ seed: 'signed' })
  const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
  await push(rig, image, '1.0')
  await push(rig, signature, 'signature')

  const found = await rig.parent.repository('app').referrers(image.manifest.descriptor.digest, rig.signal)

  assert.deepEqual(
    found.map(({ digest }) => digest),
    [signature.manifest.descriptor.digest]
  )
})
