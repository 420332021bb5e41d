import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, openParent } from './parent-rig.ts'
import { byPath, failing, inTurn, json, type Script, type ScriptedServer, scriptedServer } from './scripted-server.ts'

const list = '/v2/app/tags/list'

function page(tags: readonly string[] | null, link?: string): Script {
  return json(200, { name: 'app', tags }, link ? { link } : {})
}

function next(target: string): string {
  return `<${target}>; rel="next"`
}

async function tagsOf(t: Parameters<typeof scriptedServer>[0], script: Script): Promise<string[]> {
  const server = await scriptedServer(t, script)
  const { parent, signal } = openParent(t, server.host)
  return collect(parent.repository('app').listTags(signal))
}

test('tags are listed to the last page', async (t) => {
  const server = await scriptedServer(
    t,
    inTurn(page(['a', 'b'], next(`${list}?last=b&n=2`)), page(['c'], next('?last=c&n=2')), page(['d']))
  )
  const { parent, signal } = openParent(t, server.host)

  assert.deepEqual(await collect(parent.repository('app').listTags(signal)), ['a', 'b', 'c', 'd'])

  assert.deepEqual(
    server.asked.map(({ target }) => target),
    [list, `${list}?last=b&n=2`, `${list}?last=c&n=2`]
  )
})

test('a tag on two pages, as where somebody pushes amid a list by offset, is one', async (t) => {
  const pushedMeanwhile = inTurn(page(['c', 'b'], next('?offset=2')), page(['b', 'a']))

  assert.deepEqual(await tagsOf(t, pushedMeanwhile), ['c', 'b', 'a'])
})

test('a repository whose tags are null has none', async (t) => {
  assert.deepEqual(await tagsOf(t, page(null)), [])
})

const notLists: Readonly<Record<string, Script>> = {
  'an object of something else': json(200, {}),
  'a list without a name': json(200, { tags: [] }),
  'a page of a portal': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  'an empty body': (_, response) => response.end(),
  'JSON that was cut': (_, response) => response.end('{"name":"app","tags":["a"'),
  'a list of what can be no tags': page(['../../etc']),
  'longer than we read': (_, response) => response.end(Buffer.alloc(9 * 1024 * 1024, ' ')),
  encoded: json(200, { name: 'app', tags: [] }, { 'content-encoding': 'gzip' })
}

for (const [name, script] of Object.entries(notLists)) {
  test(`${name} does not pass for an empty list of tags`, async (t) => {
    await assert.rejects(tagsOf(t, script), { code: 'BAD_ANSWER' })
  })
}

test('a listing that fails on a later page throws', async (t) => {
  const first = page(['a'], next(`${list}?last=a`))

  await assert.rejects(tagsOf(t, inTurn(first, failing(404, 'NAME_UNKNOWN'))), { code: 'NAME_UNKNOWN' })
  await assert.rejects(tagsOf(t, inTurn(first, failing(503, 'UNAVAILABLE'))), { code: 'SERVER_ERROR' })
})

test('an unknown repository and a refused one are not empty ones', async (t) => {
  const plain: Script = (_, response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('not found')

  await assert.rejects(tagsOf(t, failing(404, 'NAME_UNKNOWN')), { code: 'NAME_UNKNOWN', retryable: false })
  await assert.rejects(tagsOf(t, plain), { code: 'NOT_FOUND' })
  await assert.rejects(tagsOf(t, failing(403, 'DENIED')), { code: 'DENIED', parentCode: 'DENIED' })
})

test('a next page at another host, or of another list, is not asked for', async (t) => {
  const other = await scriptedServer(t, page(['stolen']))
  const targets = [
    `${other.url}${list}?last=a`,
    `//127.0.0.1:${other.port}${list}`,
    'http://169.254.169.254/v2/app/tags/list',
    '/v2/secret/tags/list',
    '/metadata/instance'
  ]
  for (const target of targets) {
    const server = await scriptedServer(t, page(['a'], next(target)))
    const { parent, signal } = openParent(t, server.host)

    await assert.rejects(collect(parent.repository('app').listTags(signal)), { code: 'BAD_ANSWER' })
    assert.equal(server.asked.length, 1)
  }
  assert.deepEqual(other.asked, [])
})

test('pages that lead in a circle end', async (t) => {
  const circle = inTurn(page(['a'], next('?last=a')), page(['b'], next('?last=b')), page(['c'], next('?last=a')))

  await assert.rejects(tagsOf(t, circle), { code: 'BAD_ANSWER' })
})

test('the catalog is listed with its own scope, without names that cannot be served', async (t) => {
  const server: ScriptedServer = await scriptedServer(t, (request, response) => {
    const challenge = { 'www-authenticate': `Bearer realm="${server.url}/oauth2/token",service="parent"` }
    const isOpen = request.headers.authorization === 'Bearer issued'
    byPath({
      '/v2/_catalog': isOpen
        ? json(200, { repositories: ['app', 'Not A Name', 'team/app'] })
        : failing(401, 'X', challenge),
      '/oauth2/token': json(200, { token: 'issued' })
    })(request, response)
  })
  const { parent, signal } = openParent(t, server.host)

  assert.deepEqual(await collect(parent.catalog(signal)), ['app', 'team/app'])

  const asked = server.asked.find(({ target }) => target.startsWith('/oauth2/token'))
  assert.equal(new URL(asked?.target ?? '', server.url).searchParams.get('scope'), 'registry:catalog:*')
})

test('a catalog that is refused is DENIED in the words of the parent', async (t) => {
  const server = await scriptedServer(t, failing(403, 'DENIED'))
  const { parent, signal } = openParent(t, server.host)

  await assert.rejects(collect(parent.catalog(signal)), { code: 'DENIED', parentCode: 'DENIED' })
})

test('a parent that answers a ping with a page is none', async (t) => {
  const portal = await scriptedServer(t, (_, response) => response.setHeader('content-type', 'text/html').end('<html>'))
  const registry = await scriptedServer(t, json(200, {}))

  await assert.rejects(openParent(t, portal.host).parent.ping(t.signal), { code: 'BAD_ANSWER' })
  await openParent(t, registry.host).parent.ping(t.signal)
})

test('a list that came with an ETag is asked for anew only where it changed', async (t) => {
  let names = ['v1', 'v2']
  const server = await scriptedServer(t, (request, response) => {
    const etag = `"${names.join()}"`
    if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
    else json(200, { name: 'app', tags: names }, { etag })(request, response)
  })
  const { parent, signal } = openParent(t, server.host)
  const list = () => collect(parent.repository('app').listTags(signal))

  assert.deepEqual(await list(), ['v1', 'v2'])
  assert.deepEqual(await list(), ['v1', 'v2'])
  names = ['v3']
  assert.deepEqual(await list(), ['v3'])

  assert.deepEqual(
    server.asked.map(({ headers }) => headers['if-none-match']),
    [undefined, '"v1,v2"', '"v1,v2"']
  )
})

test('304 to a question without a condition is no empty list', async (t) => {
  const notModified = tagsOf(t, (_, response) => response.writeHead(304).end())

  await assert.rejects(notModified, { name: 'ParentError' })
})
