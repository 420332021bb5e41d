import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillCloud } from '../fixtures/fill-cloud.ts'
import { anImage, anIndex } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { aClient, aCloud, admin, bearer, jsonOf, reader } from './cloud-client.ts'

const app = 'repository:demo/app:pull'

test('without an access token the answer is a challenge that names the realm, the service and the scope', async (t) => {
  const cloud = await aCloud(t)

  const answer = await fetch(`${cloud.url}/v2/demo/app/manifests/1.0`)

  assert.equal(answer.status, 401)
  assert.equal(
    answer.headers.get('www-authenticate'),
    `Bearer realm="${cloud.url}/oauth2/token",service="${cloud.loginServer}",scope="${app}"`
  )
  const error = { code: 'UNAUTHORIZED', message: 'authentication required' }
  assert.deepEqual(await answer.json(), {
    errors: [{ ...error, detail: [{ Type: 'repository', Name: 'demo/app', Action: 'pull' }] }]
  })
})

test('a wrong password, a disabled token and a removed one get no access token', async (t) => {
  const cloud = await aCloud(t)

  assert.equal(await bearer(cloud, { ...reader, password: 'wrong' }), undefined)
  cloud.tokens.set({ ...reader, enabled: false })
  assert.equal(await bearer(cloud, reader), undefined)
  cloud.tokens.remove('reader')
  assert.equal(await bearer(cloud, reader), undefined)
  assert.deepEqual(
    cloud.requests.map(({ status }) => status),
    [401, 401, 401]
  )
})

test('a token reads what its scope map names, and is challenged elsewhere and for more', async (t) => {
  const cloud = await aCloud(t)
  const { app: image } = fillCloud(cloud.contents, { largeSize: 0 })
  const scopes = ['repository:demo/app:pull,push,delete', 'repository:hello-world:pull']
  const client = aClient(cloud, reader, ...scopes)

  const pulled = await client('/v2/demo/app/manifests/1.0')
  const elsewhere = await client('/v2/hello-world/manifests/latest')
  const deleted = await client(`/v2/demo/app/manifests/${image.manifest.descriptor.digest}`, { method: 'DELETE' })

  assert.deepEqual([pulled.status, elsewhere.status, deleted.status], [200, 401, 401])
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.manifest.bytes)
  assert.match(elsewhere.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/)
})

test('the catalog is refused to a token with a scope map', async (t) => {
  const cloud = await aCloud(t, { pageSize: 2 })
  fillCloud(cloud.contents, { largeSize: 1000 })
  const catalog = 'registry:catalog:*'

  for (const path of ['/v2/_catalog', '/acr/v1/_catalog']) {
    const refused = await aClient(cloud, reader, catalog)(path)
    const listed = await aClient(cloud, admin, catalog)(path)

    assert.equal(refused.status, 401)
    assert.match(await refused.text(), /"UNAUTHORIZED"/)
    assert.deepEqual(await listed.json(), { repositories: ['demo/app', 'demo/large'] })
    assert.equal(listed.headers.get('link'), `<${path}?last=demo%2Flarge&n=2>; rel="next"`)
  }
})

test('an access token and a signed link end with their life', async (t) => {
  let now = Date.parse('2024-01-01')
  const cloud = await aCloud(t, { now: () => now, linkLifeSeconds: 60, accessTokenLifeSeconds: 120 })
  const { app: index } = fillCloud(cloud.contents, { largeSize: 0 })
  const digest = [...index.children[0]!.blobs.keys()][0]!
  const headers = (await bearer(cloud, reader, app))!
  const blob = () => fetch(`${cloud.url}/v2/demo/app/blobs/${digest}`, { headers, redirect: 'manual' })
  const link = (await blob()).headers.get('location')!

  assert.equal((await fetch(link)).status, 200)
  now += 61_000
  assert.equal((await fetch(link)).status, 403)
  assert.equal((await blob()).status, 307)
  now += 61_000
  assert.equal((await blob()).status, 401)
})

test('a blob comes by a signed link from the data endpoint, in parts too, and never with a credential', async (t) => {
  const cloud = await aCloud(t)
  const image = anImage({ layerSize: 3000 })
  cloud.contents.put('demo/app', image, '1')
  const [digest, bytes] = [...image.blobs][1]!
  const redirected = await aClient(cloud, reader, app)(`/v2/demo/app/blobs/${digest}`)
  const link = redirected.headers.get('location')!

  const part = await fetch(link, { headers: { range: 'bytes=1000-' } })
  const withCredential = await fetch(link, { headers: { authorization: 'Bearer x' } })
  const forged = await fetch(link.replace('sig=', 'sig=x'))

  assert.equal(redirected.status, 307)
  assert.equal(new URL(link).host, cloud.dataEndpoint)
  assert.deepEqual([part.status, withCredential.status, forged.status], [206, 400, 403])
  assert.equal(part.headers.get('content-range'), `bytes 1000-${bytes.length - 1}/${bytes.length}`)
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), Buffer.from(bytes.subarray(1000)))
  assert.ok(cloud.requests.every(({ url }) => !url.includes('sig=')))
})

test('without redirects the login server gives the blob itself', async (t) => {
  const cloud = await aCloud(t, { redirectBlobs: false })
  const image = anImage()
  cloud.contents.put('demo/app', image)
  const client = aClient(cloud, reader, app)

  for (const [digest, bytes] of image.blobs) {
    const answer = await client(`/v2/demo/app/blobs/${digest}`)
    assert.deepEqual([answer.status, Buffer.from(await answer.arrayBuffer())], [200, Buffer.from(bytes)])
  }
  assert.equal((await client(`/v2/demo/other/blobs/${[...image.blobs.keys()][0]}`)).status, 401)
})

test('a manifest is given only to a client that takes its type', async (t) => {
  const cloud = await aCloud(t)
  fillCloud(cloud.contents, { largeSize: 0 })
  const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' }

  const answer = await aClient(cloud, reader, app)('/v2/demo/app/manifests/1.0', { headers })

  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /MANIFEST_UNKNOWN/)
})

test('tags are listed by pages, and the last page has no link', async (t) => {
  const cloud = await aCloud(t, { pageSize: 2 })
  const image = anImage()
  for (const tag of ['b', 'c', 'a']) cloud.contents.put('demo/app', image, tag)
  const client = aClient(cloud, reader, app)

  const first = await client('/v2/demo/app/tags/list')
  const second = await client(first.headers.get('link')!.slice(1).split('>')[0]!)

  assert.deepEqual(await first.json(), { name: 'demo/app', tags: ['a', 'b'] })
  assert.deepEqual(await second.json(), { name: 'demo/app', tags: ['c'] })
  assert.equal(second.headers.get('link'), null)
  assert.equal((await client('/v2/demo/app/tags/list?n=x')).status, 400)
  assert.equal((await aClient(cloud, reader, 'repository:demo/no:pull')('/v2/demo/no/tags/list')).status, 404)
})

test('referrers are found by their subject and filtered by their type', async (t) => {
  const cloud = await aCloud(t)
  const { app: image, sbom } = fillCloud(cloud.contents, { largeSize: 0 })
  const client = aClient(cloud, reader, app)
  const path = `/v2/demo/app/referrers/${image.manifest.descriptor.digest}`

  const all = await jsonOf(await client(path))
  const others = await client(`${path}?artifactType=application/other`)

  assert.deepEqual(
    all.manifests.map(({ digest, artifactType }: Record<string, string>) => [digest, artifactType]),
    [[sbom.manifest.descriptor.digest, 'application/spdx+json']]
  )
  assert.equal(others.headers.get('oci-filters-applied'), 'artifactType')
  assert.deepEqual((await jsonOf(others)).manifests, [])
})

test('an image is pushed by POST and PUT, and refused where a part of it is missing', async (t) => {
  const cloud = await aCloud(t)
  const index = anIndex([anImage({ layers: 2 })])
  const scope = 'repository:demo/new:pull,push'
  const { authorization } = (await bearer(cloud, admin, scope))!
  const { bytes, descriptor } = index.manifest
  const put = { method: 'PUT', body: Buffer.from(bytes), headers: { 'content-type': descriptor.mediaType } }

  const early = await aClient(cloud, admin, scope)('/v2/demo/new/manifests/1', put)
  await pushImage(index, { url: cloud.url, repository: 'demo/new', tag: '1', authorization })

  assert.equal(early.status, 404)
  assert.match(await early.text(), /MANIFEST_BLOB_UNKNOWN/)
  assert.equal(cloud.contents.repository('demo/new')?.tags.get('1')?.digest, descriptor.digest)
})

test('a blob is pushed in chunks, which must come in order, and mounted from where the client may read', async (t) => {
  const cloud = await aCloud(t)
  const image = anImage()
  const [digest, bytes] = [...image.blobs][1]!
  const client = aClient(cloud, admin, 'repository:demo/new:pull,push', 'repository:demo/other:pull')
  const chunk = (first: number, end: number) => ({
    method: 'PATCH',
    headers: { 'content-range': `${first}-${end - 1}` },
    body: Buffer.from(bytes.subarray(first, end))
  })

  const begun = await client('/v2/demo/new/blobs/uploads/', { method: 'POST' })
  const upload = begun.headers.get('location')!
  const statuses = [
    await client(upload, chunk(0, 700)),
    await client(upload, chunk(800, 900)),
    await client(upload, { method: 'GET' }),
    await client(upload, chunk(700, bytes.length)),
    await client(`${upload}&digest=${digest}`, { method: 'PUT' }),
    await client(`${upload}&digest=${digest}`, { method: 'PUT' })
  ].map(({ status }) => status)
  cloud.contents.put('demo/other', anImage({ seed: 'other' }))
  const other = cloud.contents.repository('demo/other')!
  const mounts = [...anImage({ seed: 'other' }).blobs.keys(), digest].map(async (blob) => {
    const path = `/v2/demo/new/blobs/uploads/?mount=${blob}&from=demo/other`
    return (await client(path, { method: 'POST' })).status
  })

  assert.equal(other.manifests.size, 1)
  assert.deepEqual(statuses, [202, 416, 204, 202, 201, 404])
  assert.deepEqual(await Promise.all(mounts), [201, 201, 202])
  assert.deepEqual(cloud.contents.blob('demo/new', digest), Buffer.from(bytes))
})

test('bytes that are not those of the digest are refused', async (t) => {
  const cloud = await aCloud(t)
  const client = aClient(cloud, admin, 'repository:demo/new:pull,push')
  const digest = [...anImage().blobs.keys()][0]!

  const answer = await client(`/v2/demo/new/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'other' })

  assert.equal(answer.status, 400)
  assert.match(await answer.text(), /DIGEST_INVALID/)
  assert.equal(cloud.contents.blob('demo/new', digest), undefined)
})

test('a stopped registry refuses connections, a started one is back on its ports with what it held', async (t) => {
  const cloud = await aCloud(t)
  const { url, dataEndpoint } = cloud
  cloud.contents.put('demo/app', anImage(), '1')

  await cloud.stop()
  await assert.rejects(fetch(`${url}/v2/`))
  await cloud.start()

  assert.deepEqual([cloud.url, cloud.dataEndpoint], [url, dataEndpoint])
  assert.equal((await aClient(cloud, reader, app)('/v2/demo/app/manifests/1')).status, 200)
  cloud.reset()
  assert.equal((await aClient(cloud, reader, app)('/v2/demo/app/manifests/1')).status, 404)
  assert.deepEqual(cloud.contents.repositories(), [])
})

test('a plain registry has no metadata API, gives its access token as `token` and untags by the tag', async (t) => {
  const cloud = await aCloud(t, { acr: false })
  fillCloud(cloud.contents, { largeSize: 0 })
  const client = aClient(cloud, admin, 'repository:demo/app:pull,delete,metadata_read')

  assert.equal((await client('/acr/v1/demo/app')).status, 404)
  assert.equal((await client('/v2/demo/app/manifests/1.0', { method: 'DELETE' })).status, 202)
  assert.equal((await client('/v2/demo/app/manifests/1.0')).status, 404)
  assert.equal(cloud.contents.repository('demo/app')?.manifests.size, 4)
})

test('a client may await a request that is not yet there', async (t) => {
  const cloud = await aCloud(t)
  const coming = cloud.nextRequest({ route: 'version' })

  await fetch(`${cloud.url}/v2/`)

  assert.deepEqual((await coming).authorization, 'none')
  await assert.rejects(cloud.nextRequest({ route: 'tags' }, AbortSignal.abort(new Error('enough'))), /enough/)
  cloud.clearRequests()
  assert.deepEqual(cloud.requests, [])
})
