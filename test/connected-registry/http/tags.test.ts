import assert from 'node:assert/strict'
import test from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { basic, type ServedRegistry, serveRegistry } from './served-registry.ts'

async function allPages(served: ServedRegistry, first: string): Promise<readonly (readonly string[])[]> {
  const pages: (readonly string[])[] = []
  for (let path: string | undefined = first; path !== undefined; ) {
    const answer = await served.send('GET', path, basic())
    pages.push((JSON.parse(answer.text) as { tags: readonly string[] }).tags)
    path = /^<(.+)>; rel="next"$/.exec(answer.headers.link?.toString() ?? '')?.[1]
  }
  return pages
}

test('tags come page by page, each with a link to the next one', async (t) => {
  const served = await serveRegistry(t)
  for (const tag of ['v1', 'Beta', 'alpha', 'v2', 'rc']) await served.hold('app/web', anImage(), tag)

  assert.deepEqual(await allPages(served, '/v2/app/web/tags/list'), [['alpha', 'Beta', 'rc', 'v1', 'v2']])
  assert.deepEqual(await allPages(served, '/v2/app/web/tags/list?n=2'), [['alpha', 'Beta'], ['rc', 'v1'], ['v2']])
  assert.deepEqual(await allPages(served, '/v2/app/web/tags/list?n=5'), [['alpha', 'Beta', 'rc', 'v1', 'v2']])
  assert.deepEqual(await allPages(served, '/v2/app/web/tags/list?last=beta&n=2'), [['rc', 'v1'], ['v2']])
  assert.deepEqual(await allPages(served, '/v2/app/web/tags/list?n=0'), [[]])
})

test('the tags of a repository that is not here are unknown', async (t) => {
  const served = await serveRegistry(t)

  const answer = await served.send('GET', '/v2/app/none/tags/list', basic())

  assert.deepEqual([answer.status, answer.code], [404, 'NAME_UNKNOWN'])
})

test('a number of tags that is none is refused, and a huge one is cut', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')

  for (const n of ['-1', '1e309', 'many', '0x10', '1.5', '%00', '٣']) {
    const answer = await served.send('GET', `/v2/app/web/tags/list?n=${encodeURI(n)}`, basic())
    assert.deepEqual([answer.status, answer.code], [400, 'PAGINATION_NUMBER_INVALID'], n)
  }
  for (const n of ['2147483648', '9'.repeat(400), '1&n=2']) {
    const answer = await served.send('GET', `/v2/app/web/tags/list?n=${n}`, basic())
    assert.equal(answer.status, 200, n)
  }
})

test('a list asked for again shows every tag that has come or gone meanwhile', async (t) => {
  const served = await serveRegistry(t)
  const image = anImage()
  const list = async () => (await allPages(served, '/v2/app/web/tags/list'))[0]
  await served.hold('app/web', image, 'v1')
  const first = await list()

  await served.hold('app/web', image, 'v2')
  const second = await list()
  await served.registry.tags.remove('app/web', 'v1', { origin: 'parent' })
  const third = await list()
  await served.registry.repositories.remove('app/web', 'parent')
  const gone = await served.send('GET', '/v2/app/web/tags/list', basic())

  assert.deepEqual([first, second, third], [['v1'], ['v1', 'v2'], ['v2']])
  assert.equal(gone.status, 404)
})
