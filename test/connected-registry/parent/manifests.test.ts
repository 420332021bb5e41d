import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { type Digest, digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import type { Reference } from '../../../modules/connected-registry/src/protocol/reference.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openParent } from './parent-rig.ts'
import { endless, failing, inTurn, json, type Script, scriptedServer } from './scripted-server.ts'

const { descriptor, bytes } = anImage({ seed: 'parent' }).manifest
const byTag: Reference = { kind: 'tag', tag: 'v1' }
const byDigest: Reference = { kind: 'digest', digest: descriptor.digest }

type Headers = Readonly<Record<string, string>>

const honest: Headers = { 'content-type': descriptor.mediaType, 'docker-content-digest': descriptor.digest }

function manifest(body: Uint8Array, headers: Headers = honest): Script {
  return (_, response) => response.writeHead(200, { 'content-length': body.length, ...headers }).end(body)
}

/** The same answer without some of its headers. */
function without(headers: Headers, ...names: readonly string[]): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}

test('a manifest comes with its own bytes and its descriptor, by tag and by digest', async (t) => {
  const server = await scriptedServer(t, manifest(bytes))
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('team/app')

  for (const reference of [byTag, byDigest]) {
    const found = await app.manifest(reference, signal)

    assert.deepEqual(found?.descriptor, {
      mediaType: descriptor.mediaType,
      digest: descriptor.digest,
      size: bytes.length
    })
    assert.deepEqual(Buffer.from(found.bytes), Buffer.from(bytes))
  }
  assert.deepEqual(
    server.asked.map(({ target }) => target),
    ['/v2/team/app/manifests/v1', `/v2/team/app/manifests/${descriptor.digest}`]
  )
  const types = [mediaTypes.ociManifest, mediaTypes.ociIndex, mediaTypes.dockerManifest, mediaTypes.dockerList]
  for (const type of types) assert.ok(server.asked[0]?.headers.accept?.includes(type))
})

const other = Buffer.from(bytes)
other[other.indexOf('layers') + 20]! ^= 1

const wrongBytes: Readonly<Record<string, readonly [Reference, Script]>> = {
  'wrong bytes of the right length': [byDigest, manifest(other, without(honest, 'docker-content-digest'))],
  'another whole manifest': [
    byDigest,
    manifest(anImage({ seed: 'other' }).manifest.bytes, without(honest, 'docker-content-digest'))
  ],
  'bytes that are not those of Docker-Content-Digest': [byTag, manifest(other)],
  'another Docker-Content-Digest than was asked for': [
    byDigest,
    manifest(bytes, { ...honest, 'docker-content-digest': digestOf(other) })
  ]
}

for (const [name, [reference, script]] of Object.entries(wrongBytes)) {
  test(`${name} never become a manifest`, async (t) => {
    const server = await scriptedServer(t, script)
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(parent.repository('app').manifest(reference, signal), { code: 'DIGEST_MISMATCH' })
  })
}

const confused = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(bytes).toString()), manifests: [] }))

const badAnswers: Readonly<Record<string, Script>> = {
  'too large, and says so': manifest(Buffer.alloc(4 * 1024 * 1024 + 1, ' ')),
  'too large, and does not say so': endless(Buffer.alloc(65_536, ' '), { 'content-type': descriptor.mediaType }),
  encoded: manifest(bytes, { ...honest, 'content-encoding': 'gzip' }),
  'both an image and an index': manifest(confused, without(honest, 'docker-content-digest')),
  'of another type than it was declared': manifest(bytes, { ...honest, 'content-type': mediaTypes.ociIndex }),
  'of a type we do not know': manifest(Buffer.from('{"schemaVersion":1}'), {
    'content-type': mediaTypes.dockerSchema1
  }),
  'a page of a portal': manifest(Buffer.from('<html>'), { 'content-type': 'text/html' }),
  'of two digests': manifest(bytes, {
    ...honest,
    'docker-content-digest': `${descriptor.digest}, ${descriptor.digest}`
  })
}

for (const [name, script] of Object.entries(badAnswers)) {
  test(`a manifest that is ${name} is a bad answer`, async (t) => {
    const server = await scriptedServer(t, script)
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(parent.repository('app').manifest(byTag, signal), { code: 'BAD_ANSWER' })
  })
}

test('a manifest that was cut is asked for again', async (t) => {
  const cut: Script = (_, response) => {
    response.writeHead(200, { ...honest, 'content-length': bytes.length })
    response.write(bytes.subarray(0, 20), () => response.destroy())
  }
  const server = await scriptedServer(t, inTurn(cut, manifest(bytes)))
  const { parent, signal } = openParent(t, server.host)

  const found = await parent.repository('app').manifest(byDigest, signal)

  assert.equal(found?.descriptor.digest, descriptor.digest)
})

test('only the registry itself can say that a manifest is not there', async (t) => {
  const page: Script = (_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>')
  const cases: readonly (readonly [Script, string | undefined])[] = [
    [failing(404, 'MANIFEST_UNKNOWN'), undefined],
    [failing(404, 'NOT_FOUND'), undefined],
    [failing(404, 'NAME_UNKNOWN'), 'NAME_UNKNOWN'],
    [page, 'NOT_FOUND'],
    [failing(403, 'DENIED'), 'DENIED']
  ]
  for (const [script, code] of cases) {
    const server = await scriptedServer(t, script)
    const { parent, signal } = openParent(t, server.host)
    const app = parent.repository('app')

    for (const find of [(): Promise<unknown> => app.manifest(byTag, signal), () => app.resolveTag('v1', signal)]) {
      if (code) await assert.rejects(find(), { code, retryable: false })
      else assert.equal(await find(), undefined)
    }
  }
})

test('a redirect of a manifest is refused', async (t) => {
  const server = await scriptedServer(t, (_, response) => response.writeHead(307, { location: '/elsewhere' }).end())
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(parent.repository('app').manifest(byTag, signal), { code: 'REDIRECT_REFUSED' })

  assert.equal(server.asked.length, 1)
})

test('a tag is resolved by one HEAD', async (t) => {
  const server = await scriptedServer(t, manifest(bytes))
  const { parent, signal } = openParent(t, server.host)

  const resolved = await parent.repository('app').resolveTag('v1', signal)

  assert.deepEqual(resolved, { mediaType: descriptor.mediaType, digest: descriptor.digest, size: bytes.length })
  assert.deepEqual(
    server.asked.map(({ method }) => method),
    ['HEAD']
  )
})

test('a tag is resolved by its content where the headers do not tell', async (t) => {
  for (const missing of ['docker-content-digest', 'content-type']) {
    const server = await scriptedServer(t, manifest(bytes, without(honest, missing)))
    const { parent, signal } = openParent(t, server.host)

    const resolved = await parent.repository('app').resolveTag('v1', signal)

    assert.equal(resolved?.digest, descriptor.digest satisfies Digest)
    assert.deepEqual(
      server.asked.map(({ method }) => method),
      ['HEAD', 'GET']
    )
  }
})

test('a name or a tag that could lead elsewhere is never asked for', async (t) => {
  const server = await scriptedServer(t, manifest(bytes))
  const { parent, signal } = openParent(t, server.host)

  assert.throws(() => parent.repository('../acr'), TypeError)
  await assert.rejects(parent.repository('app').resolveTag('../../_catalog', signal), TypeError)

  assert.deepEqual(server.asked, [])
})

const mebibyte = 1024 * 1024
const asIndex = { 'content-type': mediaTypes.ociIndex }
const referrers = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [descriptor] }

/** A manifest of this size, whose end a test sends. */
function heldUp(size: number, isLengthTold: boolean) {
  const { manifest } = anImage({ seed: 'padded' })
  const body = Buffer.concat([manifest.bytes, Buffer.alloc(size - manifest.bytes.length, ' ')])
  const open: ServerResponse[] = []
  const script: Script = (_, response) => {
    response.writeHead(200, { 'content-type': descriptor.mediaType, ...(isLengthTold && { 'content-length': size }) })
    response.write(body.subarray(0, size - 1))
    open.push(response)
  }
  return { script, endFirst: () => open.shift()?.end(body.subarray(size - 1)) }
}

for (const isLengthTold of [true, false]) {
  test(`of the largest manifests ${isLengthTold ? '' : 'without a length '}no more than 16 MiB come at once, referrers included`, async (t) => {
    const large = heldUp(4 * mebibyte, isLengthTold)
    const small = heldUp(2 * bytes.length, true)
    const server = await scriptedServer(t, (request, response) => {
      if (request.url === '/v2/') response.end()
      else if (request.url?.includes('/referrers/')) json(200, referrers, asIndex)(request, response)
      else (request.url?.endsWith('/small') ? small : large).script(request, response)
    })
    const { parent, signal } = openParent(t, server.host)
    const app = parent.repository('app')
    const arrived: string[] = []
    const get = async (tag: string) => {
      await app.manifest({ kind: 'tag', tag }, signal)
      arrived.push(tag)
    }
    const first = ['1', '2', '3', '4'].map(get)
    const isAsked = async (count: number) => {
      while (server.asked.length < count) await new Promise(setImmediate)
    }
    await isAsked(4)

    const fifth = get('5')
    await isAsked(5)
    const last = get('small')
    await isAsked(6)
    const listing = app.referrers(descriptor.digest, signal).then(() => arrived.push('referrers'))
    await isAsked(7)
    small.endFirst()
    // Asked for side by side, and there already; what it would take is still held.
    await parent.ping(signal)
    assert.deepEqual(arrived, [])
    large.endFirst()
    await Promise.race(first)
    for (let left = 4; left > 0; left--) large.endFirst()
    await Promise.all([...first, fifth, last, listing])

    assert.equal(arrived.length, 7)
  })
}
