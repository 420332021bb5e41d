import assert from 'node:assert/strict'
import test from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { type Answer, aToken, basic, bearerHeader, serveRegistry } from './served-registry.ts'

const names = ({ text }: Answer) => (JSON.parse(text) as { repositories: string[] }).repositories
const paths = ['/v2/_catalog', '/acr/v1/_catalog']

test('the catalog shows what is here and may be read, and nothing else', async (t) => {
  const served = await serveRegistry(t)
  for (const repository of ['app/b', 'app/a', 'other/a']) await served.hold(repository, anImage(), 'v1')
  served.settings.tokens = [
    ...served.settings.tokens,
    await aToken('lister', ['repositories/other/*/metadata/read']),
    await aToken('pusher', ['repositories/*/content/write'])
  ]

  for (const path of paths) {
    assert.deepEqual(names(await served.send('GET', path, basic('reader'))), ['app/a', 'app/b'])
    assert.deepEqual(names(await served.send('GET', path, basic('lister'))), ['other/a'])
    const pusher = await served.send('GET', path, basic('pusher'))
    assert.deepEqual([pusher.status, pusher.code], [403, 'DENIED'])
  }
})

test('the challenge names the scope of the catalog, and a bearer needs it', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/a', anImage(), 'v1')
  const pull = bearerHeader(await served.bearer('repository:app/a:pull'))
  const list = bearerHeader(await served.bearer('registry:catalog:*'))

  for (const path of paths) {
    const nobody = await served.send('GET', path)
    const narrow = await served.send('GET', path, pull)
    const allowed = await served.send('GET', path, list)

    assert.match(nobody.headers['www-authenticate']!, /,scope="registry:catalog:\*"$/)
    assert.match(narrow.headers['www-authenticate']!, /scope="registry:catalog:\*".*insufficient_scope/)
    assert.deepEqual([nobody.status, narrow.status, names(allowed)], [401, 401, ['app/a']])
  }
  const pulled = await served.send('GET', '/v2/app/a/manifests/v1', list)
  assert.equal(pulled.status, 401, 'a token for the catalog pulls nothing')
})

test('pages follow each other by their links, past what must not be seen', async (t) => {
  const served = await serveRegistry(t)
  for (const repository of ['app/a', 'app/b', 'app/c', 'app-hidden', 'apple'])
    await served.hold(repository, anImage(), 'v1')

  for (const path of paths) {
    const seen: string[] = []
    for (let next: string | undefined = `${path}?n=2`; next; ) {
      const answer = await served.send('GET', next, basic())
      seen.push(...names(answer))
      const [, link] = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? '')) ?? []
      next = link
    }
    assert.deepEqual(seen, ['app/a', 'app/b', 'app/c'])
  }
})

test('n of every kind is a number or refused', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/a', anImage(), 'v1')

  for (const n of ['0', '1', '1000', '2147483648', '99999999999999999999']) {
    assert.equal((await served.send('GET', `/v2/_catalog?n=${n}`, basic())).status, 200, n)
  }
  for (const n of ['-1', 'x', '1e3', '1.5']) {
    const answer = await served.send('GET', `/v2/_catalog?n=${n}`, basic())
    assert.deepEqual([answer.status, answer.code], [400, 'PAGINATION_NUMBER_INVALID'], n)
  }
})
