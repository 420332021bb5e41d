import assert from 'node:assert/strict'
import test from 'node:test'
import { createKnownPaths } from '../../../modules/connected-registry/src/http/known-paths.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { type Answer, aToken, basic, bearerHeader, serveRegistry } from './served-registry.ts'

const image = anImage()
const { digest } = image.manifest.descriptor
const paths = [
  '/v2/',
  '/v2/app/web/manifests/v1',
  `/v2/app/web/manifests/${digest}`,
  '/v2/app/web/tags/list',
  '/v2/app/web/tags/list?n=1',
  '/v2/app/web/manifests/nothing',
  '/v2/app%2Fweb/manifests/v1',
  '/v2/App/manifests/v1',
  '/v2/app/web/blobs/sha256:1',
  '/v2/app/web/nowhere',
  '/acr/v1/app/web',
  '/status'
]

test('a path is answered the second time as the first, by GET and by HEAD, for everybody', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', image, 'v1')
  const clients = [basic('writer'), basic(), {}, { authorization: 'Bearer a.b.c' }]

  for (const path of paths) {
    for (const headers of clients) {
      const [first, second] = [await served.send('GET', path, headers), await served.send('GET', path, headers)]
      const head = await served.send('HEAD', path, headers)

      assert.deepEqual(comparable(second), comparable(first), path)
      assert.deepEqual({ ...comparable(head), text: '' }, { ...comparable(first), text: '' }, path)
    }
  }
})

test('a token that is revoked, or lost its right, is refused at the next request of a known path', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', image, 'v1')
  const path = '/v2/app/web/manifests/v1'
  const bearer = bearerHeader(await served.bearer('repository:app/web:pull'))
  const answers = async () => [
    (await served.send('GET', path, bearer)).status,
    (await served.send('HEAD', path, basic())).status
  ]
  assert.deepEqual(
    [await answers(), await answers()],
    [
      [200, 200],
      [200, 200]
    ]
  )

  served.settings.tokens = [await aToken('reader', ['repositories/other/*/content/read'])]
  assert.deepEqual(await answers(), [403, 403])

  served.settings.tokens = []
  assert.deepEqual(await answers(), [401, 401])
})

test('what changed or went is seen at the next request of a known path', async (t) => {
  const served = await serveRegistry(t)
  served.settings.mode = 'ReadWrite'
  await served.hold('app/web', image, 'v1')
  const path = '/v2/app/web/manifests/v1'
  const [other] = [anImage({ layers: 2 })]
  const digestNow = async () => (await served.send('HEAD', path, basic())).headers['docker-content-digest']
  assert.deepEqual([await digestNow(), await digestNow()], [digest, digest])

  await served.hold('app/web', other, 'v1')
  assert.equal(await digestNow(), other.manifest.descriptor.digest)

  assert.equal((await served.send('DELETE', path, basic('writer'))).status, 202)
  assert.equal(await digestNow(), undefined)
})

test('only so many paths are known, none with a query and none that is long', () => {
  const known = createKnownPaths({ limit: 2, lengthLimit: 6 })
  const isKnown = (url: string) => {
    let goesOn = false
    known.recall({ req: { method: 'GET', url } } as Parameters<typeof known.recall>[0], async () => {
      goesOn = true
    })
    return !goesOn
  }
  const note = (path: string, url = path) => known.note({ path, req: { url } } as Context, async () => undefined)

  note('/one', '/one?n=1')
  note('/longer')
  assert.deepEqual(['/one', '/one?n=1', '/longer'].map(isKnown), [false, false, false])

  note('/one')
  note('/two')
  assert.deepEqual(['/one', '/two'].map(isKnown), [true, true])
  note('/three')
  assert.deepEqual(['/one', '/two', '/three'].map(isKnown), [false, false, true])
})

type Context = Parameters<ReturnType<typeof createKnownPaths>['note']>[0]

function comparable({ status, headers: { date: _, ...headers }, text }: Answer) {
  return { status, headers, text }
}
