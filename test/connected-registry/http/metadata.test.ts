import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { type Answer, basic, bearerHeader, type ServedRegistry, serveRegistry } from './served-registry.ts'

const [arm, amd] = ['arm64', 'amd64'].map((architecture) =>
  anImage({ seed: architecture, platform: { os: 'linux', architecture } })
) as [Image, Image]
type Image = ReturnType<typeof anImage>
const index = anIndex([arm, amd])
const digestOf = ({ manifest }: Image) => manifest.descriptor.digest
const changeableAttributes = { deleteEnabled: true, writeEnabled: true, listEnabled: true, readEnabled: true }
const absent = `sha256:${'0'.repeat(64)}`

async function serveIndex(t: TestContext): Promise<ServedRegistry> {
  const served = await serveRegistry(t)
  served.settings.mode = 'ReadWrite'
  await served.hold('app/web', index, 'v1')
  await served.registry.tags.put('app/web', 'arm', digestOf(arm), { origin: 'parent' })
  return served
}

const read = ({ text }: Answer) => JSON.parse(text)
// Three digits of a second, or seven as ACR has them.
const isTime = (text: string) => assert.equal(new Date(text).toISOString(), text.replace(/(\.\d{3})\d{4}Z$/, '$1Z'))

test('a repository is described by ACR’s field names', async (t) => {
  const served = await serveIndex(t)

  const { registry, createdTime, lastUpdateTime, ...rest } = read(
    await served.send('GET', '/acr/v1/app/web', basic('writer'))
  )

  isTime(createdTime)
  isTime(lastUpdateTime)
  assert.equal(registry, `127.0.0.1:${served.port}`)
  assert.deepEqual(rest, { imageName: 'app/web', manifestCount: 3, tagCount: 2, changeableAttributes })
})

test('a tag is described alone as it is in the list', async (t) => {
  const served = await serveIndex(t)

  const list = read(await served.send('GET', '/acr/v1/app/web/_tags', basic('writer')))
  const one = read(await served.send('GET', '/acr/v1/app/web/_tags/arm', basic('writer')))

  const { createdTime, lastUpdateTime, ...rest } = one.tag
  for (const time of [createdTime, lastUpdateTime]) isTime(time)
  assert.deepEqual(rest, { name: 'arm', digest: digestOf(arm), signed: false, changeableAttributes })
  assert.deepEqual([list.imageName, one.imageName], ['app/web', 'app/web'])
  assert.deepEqual(
    list.tags.map(({ name }: { name: string }) => name),
    ['arm', 'v1']
  )
  assert.deepEqual(list.tags[0], one.tag)
})

test('a manifest tells its platform, an index what it is made of', async (t) => {
  const served = await serveIndex(t)

  const list = read(await served.send('GET', '/acr/v1/app/web/_manifests', basic('writer'))).manifests
  const one = read(await served.send('GET', `/acr/v1/app/web/_manifests/${digestOf(arm)}`, basic('writer'))).manifest
  const whole = read(
    await served.send('GET', `/acr/v1/app/web/_manifests/${digestOf(index)}`, basic('writer'))
  ).manifest

  const { createdTime, lastUpdateTime, ...rest } = one
  for (const time of [createdTime, lastUpdateTime]) isTime(time)
  assert.deepEqual(rest, {
    digest: digestOf(arm),
    imageSize: [...arm.blobs.values()].reduce((sum, bytes) => sum + bytes.length, 0),
    architecture: 'arm64',
    os: 'linux',
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    configMediaType: 'application/vnd.oci.image.config.v1+json',
    tags: ['arm'],
    changeableAttributes
  })
  assert.deepEqual(whole.references, [
    { digest: digestOf(arm), architecture: 'arm64', os: 'linux' },
    { digest: digestOf(amd), architecture: 'amd64', os: 'linux' }
  ])
  assert.deepEqual(
    list.find(({ digest }: { digest: string }) => digest === digestOf(index)),
    whole
  )
  assert.equal(list.length, 3)
})

test('pages of every order lead to each entry once, and keep the order and the filter in their links', async (t) => {
  const served = await serveIndex(t)
  for (const tag of ['B', 'a', 'c']) await served.registry.tags.put('app/web', tag, digestOf(amd), { origin: 'parent' })

  for (const order of ['', 'none', 'timedesc', 'timeasc']) {
    for (const [list, nameOf, count] of [
      ['_tags', 'name', 5],
      ['_manifests', 'digest', 3]
    ] as const) {
      const seen: string[] = []
      for (let next: string | undefined = `/acr/v1/app/web/${list}?n=1&orderby=${order}`; next; ) {
        const answer = await served.send('GET', next, basic('writer'))
        seen.push(...read(answer)[list.slice(1)].map((entry: Record<string, string>) => entry[nameOf]))
        const [, link] = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? '')) ?? []
        if (link && order) assert.match(link, new RegExp(`orderby=${order}`))
        next = link
      }
      assert.deepEqual([seen.length, new Set(seen).size], [count, count], `${list} ${order}`)
    }
  }
  const filtered = await served.send('GET', `/acr/v1/app/web/_tags?n=2&digest=${digestOf(amd)}`, basic('writer'))
  assert.deepEqual(
    read(filtered).tags.map(({ name }: { name: string }) => name),
    ['a', 'B']
  )
  assert.match(String(filtered.headers.link), /last=B&n=2&digest=sha256/)
})

test('a page of indexes that name thousands of manifests ends early, and the next one goes on', async (t) => {
  const served = await serveIndex(t)
  const named = Array.from({ length: 6000 }, (_, at) => at.toString(16).padStart(64, '0'))
  for (const mark of ['a', 'b', 'c']) {
    const manifests = named.map((hex) => ({ mediaType: mediaTypes.ociManifest, digest: `sha256:${hex}`, size: 1 }))
    const body = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests, annotations: { mark } }
    const headers = { ...basic('writer'), 'content-type': mediaTypes.ociIndex }
    const pushed = await served.send(
      'PUT',
      `/v2/app/many/manifests/${mark}`,
      headers,
      Buffer.from(JSON.stringify(body))
    )
    assert.equal(pushed.status, 201)
  }

  const first = await served.send('GET', '/acr/v1/app/many/_manifests?n=1000', basic('writer'))
  const [, next] = /^<([^>]+)>/.exec(String(first.headers.link)) ?? []
  const second = await served.send('GET', next!, basic('writer'))

  assert.deepEqual([read(first).manifests.length, read(second).manifests.length], [2, 1])
  assert.equal(second.headers.link, undefined)
})

test('what is not there is unknown by its own name', async (t) => {
  const served = await serveIndex(t)
  const code = async (path: string) => {
    const answer = await served.send('GET', path, basic('writer'))
    return [answer.status, answer.code]
  }

  for (const path of ['/acr/v1/app/none', '/acr/v1/app/none/_tags', '/acr/v1/app/none/_manifests']) {
    assert.deepEqual(await code(path), [404, 'NAME_UNKNOWN'], path)
  }
  assert.deepEqual(await code('/acr/v1/app/web/_tags/none'), [404, 'TAG_UNKNOWN'])
  assert.deepEqual(await code(`/acr/v1/app/web/_manifests/${absent}`), [404, 'MANIFEST_UNKNOWN'])
  assert.deepEqual(await code('/acr/v1/app/web/_manifests/v1'), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await code('/acr/v1/app/web/_tags?digest=x'), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await code('/acr/v1/app/web/_tags?n=x'), [400, 'PAGINATION_NUMBER_INVALID'])
  assert.deepEqual(await code('/acr/v1/app%2Fweb'), [400, 'NAME_INVALID'])
  assert.deepEqual(await code('/acr/v1/app/web/_other'), [400, 'NAME_INVALID'])
})

test('metadata needs metadata/read, and a bearer the scope of that name', async (t) => {
  const served = await serveIndex(t)
  const paths = ['', '/_tags', '/_tags/v1', '/_manifests', `/_manifests/${digestOf(arm)}`].map(
    (rest) => `/acr/v1/app/web${rest}`
  )
  const pull = bearerHeader(await served.bearer('repository:app/web:pull', 'writer'))
  const metadata = bearerHeader(await served.bearer('repository:app/web:metadata_read', 'writer'))

  for (const path of paths) {
    const nobody = await served.send('GET', path)
    assert.match(nobody.headers['www-authenticate']!, /,scope="repository:app\/web:metadata_read"$/)
    const statuses = [nobody, await served.send('GET', path, pull), await served.send('GET', path, metadata)]
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [401, 401, 200]
    )
    assert.equal((await served.send('GET', path, basic('reader'))).status, 403)
    const [get, head] = [await served.send('GET', path, metadata), await served.send('HEAD', path, metadata)]
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', get.headers['content-length']])
  }
})

test('a tag is taken away by ACR’s path, and its manifest stays', async (t) => {
  const served = await serveIndex(t)

  const removed = await served.send('DELETE', '/acr/v1/app/web/_tags/v1', basic('writer'))
  const again = await served.send('DELETE', '/acr/v1/app/web/_tags/v1', basic('writer'))

  assert.deepEqual([removed.status, again.status, again.code], [202, 404, 'TAG_UNKNOWN'])
  assert.equal((await served.send('GET', `/v2/app/web/manifests/${digestOf(index)}`, basic())).status, 200)
})

test('a repository is deleted with all that is in it, and only that one', async (t) => {
  const served = await serveIndex(t)
  await served.hold('app/web/sub', arm, 'v1')

  const removed = await served.send('DELETE', '/acr/v1/app/web', basic('writer'))
  const again = await served.send('DELETE', '/acr/v1/app/web', basic('writer'))

  assert.deepEqual([removed.status, again.status, again.code], [202, 404, 'NAME_UNKNOWN'])
  assert.deepEqual(read(removed).tagsDeleted, ['arm', 'v1'])
  assert.deepEqual(read(removed).manifestsDeleted.toSorted(), [index, arm, amd].map(digestOf).toSorted())
  assert.equal((await served.send('GET', '/v2/app/web/tags/list', basic())).status, 404)
  assert.equal((await served.send('GET', '/v2/app/web/sub/manifests/v1', basic())).status, 200)
})

test('a repository that is written to while it is deleted says so, and keeps what is new', async (t) => {
  const served = await serveRegistry(t, {
    registry: (registry) => ({
      ...registry,
      repositories: {
        ...registry.repositories,
        remove: () => Promise.reject(Object.assign(new Error('record is not as expected'), { code: 'CONFLICT' }))
      }
    })
  })
  served.settings.mode = 'ReadWrite'
  await served.hold('app/web', arm, 'v1')

  const answer = await served.send('DELETE', '/acr/v1/app/web', basic('writer'))

  assert.deepEqual([answer.status, answer.code, answer.headers['retry-after']], [429, 'TOOMANYREQUESTS', '1'])
})

test('locks are refused by name', async (t) => {
  const served = await serveIndex(t)

  for (const rest of ['', '/_tags/v1', `/_manifests/${digestOf(arm)}`]) {
    const answer = await served.send(
      'PATCH',
      `/acr/v1/app/web${rest}`,
      basic('writer'),
      Buffer.from('{"writeEnabled":false}')
    )

    assert.deepEqual([answer.status, answer.code], [405, 'UNSUPPORTED'])
    assert.match(answer.text, /locking is not supported: deleteEnabled, writeEnabled, listEnabled, readEnabled/)
  }
})
