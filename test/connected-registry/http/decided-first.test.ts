import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { routes } from '../../../modules/connected-registry/src/http/routes.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { counted } from '../storage/counted.ts'
import { aToken, basic, bearerHeader, serveRegistry } from './served-registry.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const image = anImage()
const body = Buffer.from('{"schemaVersion":2,"manifests":[]}')

/** What is there, what is not, and what no route knows; paths of which each method is tried. */
function pathsOf(patterns: readonly string[]): readonly string[] {
  const { digest } = image.manifest.descriptor
  const absent = `sha256:${'0'.repeat(64)}`
  const expanded = patterns.flatMap((pattern) =>
    [digest, absent, 'v1'].map((reference) =>
      pattern.replace('{/acr}', '/acr').replace('*repository', 'app/web').replace(':reference', reference)
    )
  )
  const mount = `/v2/app/web/blobs/uploads/?mount=${digest}&from=other/web`
  return [...new Set([...expanded, mount, `/v2/app/web/manifests/v2?tag=v3`, '/v2/app/web', '/acr/v1/', '/elsewhere'])]
}

async function aWatchedRegistry(t: TestContext) {
  const calls: string[] = []
  const onCall = (name: string) => void calls.push(name)
  const served = await serveRegistry(t, {
    blobs: counted(createMemoryBlobStore(), onCall, 'blob store: '),
    records: counted(createMemoryRecordStore(), onCall, 'record store: '),
    registry: (registry) => counted(registry, onCall, 'registry: ')
  })
  await served.hold('app/web', image, 'v1')
  await served.hold('other/web', image, 'v1')
  const catalogReader = await aToken('other', ['repositories/other/*/content/read'])
  const child = await aToken('child', ['gateway/site-a/config/read'])
  served.settings.tokens = [...served.settings.tokens, catalogReader, child]
  return { served, calls, paths: pathsOf(routes(served.routing).map(({ path }) => path)) }
}

test('what counts does count', async (t) => {
  const { served, calls } = await aWatchedRegistry(t)
  calls.length = 0

  await served.send('GET', '/v2/app/web/manifests/v1', basic())

  assert.ok(calls.some((name) => name.startsWith('registry: ')))
  assert.ok(calls.some((name) => name.startsWith('record store: ')))
})

for (const mode of ['ReadOnly', 'ReadWrite'] as const) {
  test(`who has no right makes the store read nothing, whatever the method and the path, in ${mode} mode`, async (t) => {
    const { served, calls, paths } = await aWatchedRegistry(t)
    served.settings.mode = mode
    const elsewhere = bearerHeader(await served.bearer('repository:other/web:pull', 'other'))
    // Each may do something, and nothing with app/web; who may read other repositories may list those.
    const clients = [
      { headers: {}, lists: false },
      { headers: bearerHeader('a.b.c'), lists: false },
      { headers: { authorization: 'Basic Og==' }, lists: false },
      { headers: basic('child'), lists: false },
      { headers: elsewhere, lists: false },
      { headers: basic('other'), lists: true }
    ]
    calls.length = 0

    for (const { headers, lists } of clients) {
      for (const path of lists ? paths.filter((path) => !path.endsWith('_catalog')) : paths) {
        for (const method of methods) {
          const answer = await served.send(method, path, headers, body)
          assert.ok(answer.status < 500, `${method} ${path}: ${answer.status}`)
          assert.deepEqual(calls, [], `${method} ${path} ${JSON.stringify(headers)}`)
        }
      }
    }
  })
}

test('what a token may not read answers as if it were not there', async (t) => {
  const { served } = await aWatchedRegistry(t)
  const { digest } = image.manifest.descriptor
  const about = ['manifests/v1', `manifests/${digest}`, `blobs/${digest}`, 'tags/list', `referrers/${digest}`]

  for (const method of ['GET', 'HEAD']) {
    for (const rest of about) {
      const [there, nowhere] = await Promise.all([
        served.send(method, `/v2/other/web/${rest}`, basic()),
        served.send(method, `/v2/other/none/${rest}`, basic())
      ])
      const { date: _, ...headers } = there.headers
      assert.deepEqual({ ...nowhere.headers, date: undefined }, { ...headers, date: undefined }, rest)
      assert.deepEqual([there.status, there.text], [nowhere.status, nowhere.text], rest)
    }
  }
  const catalog = await served.send('GET', '/v2/_catalog', basic())
  assert.deepEqual(JSON.parse(catalog.text), { repositories: ['app/web'] })
})
