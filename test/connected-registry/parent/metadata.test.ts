import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { collect, openParent } from './parent-rig.ts'
import { byPath, failing, inTurn, json, type Script, scriptedServer } from './scripted-server.ts'

const { digest, mediaType } = anImage({ seed: 'metadata' }).manifest.descriptor
const lastUpdateTime = '2024-05-06T07:08:09.1234567Z'
const known = { registry: 'site.azurecr.io', imageName: 'app', createdTime: lastUpdateTime, lastUpdateTime }
const notFound: Script = (_, response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('not found')

test('the attributes of a repository are those of ACR', async (t) => {
  const attributes = json(200, { ...known, tagCount: 3, manifestCount: 5, changeableAttributes: {} })
  const server = await scriptedServer(t, byPath({ '/acr/v1/team/app': attributes }))
  const { parent, signal } = openParent(t, server.host)

  const found = await parent.repository('team/app').attributes(signal)

  assert.deepEqual(found, { lastUpdateTime, tagCount: 3, manifestCount: 5 })
})

test('a repository that ACR does not know is told from a parent without the API', async (t) => {
  const acr = await scriptedServer(t, failing(404, 'NAME_UNKNOWN'))
  const plain = await scriptedServer(t, notFound)

  assert.equal(await openParent(t, acr.host).parent.repository('app').attributes(t.signal), undefined)
  assert.equal(await openParent(t, plain.host).parent.repository('app').attributes(t.signal), 'unsupported')
})

const withoutApi: Readonly<Record<string, Script>> = {
  'a page of its web site': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  'other JSON': json(200, { hello: 'world' }),
  'an error of its own': failing(404, 'NOT_FOUND'),
  'a redirect': (_, response) => response.writeHead(302, { location: '/login' }).end(),
  '405': failing(405, 'UNSUPPORTED')
}

for (const [name, script] of Object.entries(withoutApi)) {
  test(`a parent that answers ${name} has no metadata API`, async (t) => {
    const server = await scriptedServer(t, script)
    const { parent, signal } = openParent(t, server.host)

    assert.equal(await parent.repository('app').attributes(signal), 'unsupported')
    await assert.rejects(collect(parent.repository('app').tagEntries(signal)), { code: 'UNSUPPORTED' })
  })
}

test('a missing API is remembered for the parent for an hour', async (t) => {
  const server = await scriptedServer(t, notFound)
  const { parent, signal, clock } = openParent(t, server.host)

  await parent.repository('app').attributes(signal)
  assert.equal(await parent.repository('other').attributes(signal), 'unsupported')
  clock.advance(59 * 60_000)
  await parent.repository('app').attributes(signal)
  assert.equal(server.asked.length, 1)
  clock.advance(60_000)
  await parent.repository('app').attributes(signal)

  assert.equal(server.asked.length, 2)
})

test('a missing API is looked for again after a failure', async (t) => {
  const tags = inTurn(failing(503, 'X'), json(200, { name: 'app', tags: [] }))
  const attributes = inTurn(notFound, json(200, { ...known, tagCount: 1, manifestCount: 1 }))
  const server = await scriptedServer(t, byPath({ '/v2/app/tags/list': tags, '/acr/v1/app': attributes }))
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  assert.equal(await app.attributes(signal), 'unsupported')
  await collect(app.listTags(signal))

  assert.notEqual(await app.attributes(signal), 'unsupported')
})

test('an API that was there is not given up for one answer that denies it, but for two', async (t) => {
  const attributes = json(200, { ...known, tagCount: 1, manifestCount: 1 })
  const server = await scriptedServer(t, inTurn(attributes, notFound, attributes, notFound, notFound))
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')
  await app.attributes(signal)

  await assert.rejects(app.attributes(signal), { code: 'NOT_FOUND' })
  assert.notEqual(await app.attributes(signal), 'unsupported')
  await assert.rejects(app.attributes(signal), { code: 'NOT_FOUND' })
  assert.equal(await app.attributes(signal), 'unsupported')
})

test('a failure is not a missing API', async (t) => {
  const server = await scriptedServer(t, failing(503, 'UNAVAILABLE'))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(parent.repository('app').attributes(signal), { code: 'SERVER_ERROR', retryable: true })
})

test('an ACR that denies a repository says so; a plain registry that denies the path has no API', async (t) => {
  const acr = await scriptedServer(
    t,
    inTurn(json(200, { ...known, tagCount: 1, manifestCount: 1 }), failing(403, 'DENIED'))
  )
  const plain = await scriptedServer(t, failing(403, 'DENIED'))
  const { parent, signal } = openParent(t, acr.host)

  await parent.repository('app').attributes(signal)

  await assert.rejects(parent.repository('app').attributes(signal), { code: 'DENIED' })
  assert.equal(await openParent(t, plain.host).parent.repository('app').attributes(signal), 'unsupported')
})

test('tags are listed with digest and time, in the order asked for, to the last page', async (t) => {
  const entry = (name: string) => ({ name, digest, lastUpdateTime, createdTime: lastUpdateTime, signed: false })
  const link = '</acr/v1/app/_tags?last=b&n=2&orderby=timedesc>; rel="next"'
  const pages = inTurn(
    json(200, { ...known, tags: [entry('a'), entry('b')] }, { link }),
    json(200, { ...known, tags: [entry('c')] })
  )
  const server = await scriptedServer(t, byPath({ '/acr/v1/app/_tags': pages }))
  const { parent, signal } = openParent(t, server.host)

  const entries = await collect(parent.repository('app').tagEntries(signal, { orderby: 'timedesc' }))

  assert.deepEqual(
    entries,
    ['a', 'b', 'c'].map((name) => ({ name, digest, lastUpdateTime }))
  )
  assert.match(server.asked[0]?.target ?? '', /orderby=timedesc/)
})

test('manifests are listed with their tags', async (t) => {
  const manifests = [
    {
      digest,
      imageSize: 10,
      lastUpdateTime,
      createdTime: lastUpdateTime,
      mediaType,
      tags: ['v1'],
      architecture: 'amd64'
    },
    { digest, createdTime: 'lately', lastUpdateTime }
  ]
  const server = await scriptedServer(t, byPath({ '/acr/v1/app/_manifests': json(200, { ...known, manifests }) }))
  const { parent, signal } = openParent(t, server.host)

  const entries = await collect(parent.repository('app').manifestEntries(signal))

  assert.deepEqual(entries, [
    { digest, imageSize: 10, createdTime: lastUpdateTime, lastUpdateTime, mediaType, tags: ['v1'] },
    { digest, createdTime: undefined, lastUpdateTime, tags: [] }
  ])
})

test('one tag and one manifest are told by name, and what is not there is told from what cannot be said', async (t) => {
  const manifest = { digest, createdTime: lastUpdateTime, lastUpdateTime }
  const server = await scriptedServer(
    t,
    byPath({
      '/acr/v1/app/_tags/v1': json(200, { ...known, tag: { name: 'v1', digest, lastUpdateTime } }),
      '/acr/v1/app/_tags/gone': failing(404, 'TAG_UNKNOWN'),
      '/acr/v1/app/_tags/odd': json(200, known),
      [`/acr/v1/app/_manifests/${digest}`]: json(200, { ...known, manifest })
    })
  )
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  assert.deepEqual(await app.tagEntry('v1', signal), { name: 'v1', digest, lastUpdateTime })
  assert.deepEqual(await app.manifestEntry(digest, signal), { ...manifest, tags: [] })
  assert.equal(await app.tagEntry('gone', signal), undefined)
  await assert.rejects(app.tagEntry('odd', signal), { code: 'BAD_ANSWER' })
  await assert.rejects(parent.repository('other').manifestEntry(digest, signal), { code: 'NOT_FOUND' })
})

test('a list left out is empty only in an answer that is clearly that of ACR', async (t) => {
  const acr = await scriptedServer(t, json(200, known))
  const other = await scriptedServer(t, json(200, {}))

  assert.deepEqual(await collect(openParent(t, acr.host).parent.repository('app').tagEntries(t.signal)), [])
  await assert.rejects(collect(openParent(t, other.host).parent.repository('app').tagEntries(t.signal)), {
    code: 'BAD_ANSWER'
  })
})

test('entries that cannot be are refused', async (t) => {
  const wrong = [
    { name: '../x', digest },
    { name: 'v1', digest: 'sha256:00' },
    { name: 'v1', digest, lastUpdateTime: 'now' }
  ]
  for (const entry of wrong) {
    const server = await scriptedServer(t, json(200, { ...known, tags: [{ lastUpdateTime, ...entry }] }))
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(collect(parent.repository('app').tagEntries(signal)), { code: 'BAD_ANSWER' })
  }
})

test('a repository that is unknown while it is listed is not an empty one', async (t) => {
  const server = await scriptedServer(t, failing(404, 'NAME_UNKNOWN'))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(collect(parent.repository('app').manifestEntries(signal)), { code: 'NAME_UNKNOWN' })
})
