import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { type Route, routes } from '../../../modules/connected-registry/src/http/routes.ts'
import { anImage, aReferrer } from '../../fixtures/image-builder.ts'
import { counted } from '../storage/counted.ts'
import { pushBlob, serveWritable } from './pushing.ts'
import { basic } from './served-registry.ts'

const image = anImage()
const { digest } = image.manifest.descriptor

function pathOf({ path }: Route, reference = 'v1'): string {
  return path.replace('{/acr}', '/acr').replace('*repository', 'app/web').replace(':reference', reference)
}

/** The path with each slash behind its prefix in another spelling, one at a time and all at once. */
function respelled(path: string, slash: string): readonly string[] {
  const prefix = /^\/(?:v2|acr\/v1)\//.exec(path)![0]
  const parts = path.slice(prefix.length).split('/')
  const one = parts.slice(1).map((_, at) => {
    return prefix + parts.slice(0, at + 1).join('/') + slash + parts.slice(at + 1).join('/')
  })
  return [...new Set([...one, prefix + parts.join(slash)])]
}

async function aWatchedRegistry(t: TestContext) {
  const calls: string[] = []
  // To wake whoever writes records is to look nothing up.
  const note = (name: string) => void (name === 'wake' || calls.push(name))
  const served = await serveWritable(t, { registry: (registry) => counted(registry, note) })
  await served.hold('app/web', image, 'v1')
  await served.hold('app/web', aReferrer(image, { artifactType: 'application/vnd.example.sbom' }))
  return { served, calls }
}

test('an encoded slash, once or twice, is no slash on any route, and nothing is looked up for it', async (t) => {
  const { served, calls } = await aWatchedRegistry(t)
  const declared = routes(served.routing).filter(({ path }) => path.includes('*repository'))
  const paths = declared.flatMap((route) =>
    [digest, 'v1'].flatMap((reference) =>
      ['%2f', '%2F', '%252f', '%5c', '%2e%2e%2f'].flatMap((slash) =>
        respelled(pathOf(route, reference), slash).map((path) => ({ method: route.method.toUpperCase(), path }))
      )
    )
  )
  calls.length = 0

  for (const { method, path } of paths) {
    const answer = await served.send(method, path, basic('writer'), method === 'PUT' ? Buffer.from('{}') : undefined)
    assert.ok([400, 403, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
    assert.deepEqual(calls, [], `${method} ${path}`)
  }
  assert.ok(paths.length > 100)
})

test('HEAD has the status and the headers of GET on every route, and no body', async (t) => {
  const { served } = await aWatchedRegistry(t)
  const absent = `sha256:${'0'.repeat(64)}`
  const paths = routes(served.routing)
    .filter(({ method, path }) => method === 'get' && !path.includes('oauth2') && !path.includes('uploads'))
    .flatMap((route) => [digest, absent, 'v1', 'none'].map((reference) => pathOf(route, reference)))
  const lists = ['/v2/app/web/tags/list', '/acr/v1/app/web/_tags', '/acr/v1/app/web/_manifests', '/v2/_catalog']
  const elsewhere = ['/v2/app/none/tags/list', '/acr/v1/app/none/_tags', '/v2/other/web/manifests/v1']
  const conditions = [{}, { 'if-none-match': '*' }, { 'if-none-match': `W/"${digest}"` }, { range: 'bytes=0-' }]

  for (const path of new Set([...paths, ...elsewhere, ...lists.map((list) => `${list}?n=1&last=!`)])) {
    for (const client of [basic('writer'), {}]) {
      for (const condition of conditions) {
        // Of the correlation each answer has its own; a range is for GET alone.
        if ('range' in condition && path.includes('/blobs/')) continue
        const asked = { ...client, ...condition, 'x-correlation-id': 'one' }
        const [get, head] = [await served.send('GET', path, asked), await served.send('HEAD', path, asked)]
        assert.deepEqual([head.status, head.bytes.length], [get.status, 0], path)
        assert.deepEqual({ ...head.headers, date: '' }, { ...get.headers, date: '' }, path)
      }
    }
  }
})

test('no answer lets the page of another site read it, or leads to one', async (t) => {
  const { served } = await aWatchedRegistry(t)
  const paths = [
    ...routes(served.routing).map((route) => pathOf(route)),
    '//elsewhere.example/v2/',
    '/\\\\elsewhere.example',
    '/'
  ]
  const site = { origin: 'https://elsewhere.example', 'access-control-request-method': 'GET' }

  for (const path of paths) {
    for (const method of ['GET', 'OPTIONS']) {
      for (const client of [basic('writer'), {}]) {
        const { status, headers } = await served.send(method, path, { ...client, ...site })
        const names = Object.keys(headers).filter((name) => name.startsWith('access-control') || name === 'location')
        assert.deepEqual(names, [], path)
        assert.ok(status < 300 || status >= 400, `${path}: ${status}`)
      }
    }
  }
})

test('every list takes n and last of every kind: a number is a page, anything else is refused', async (t) => {
  const { served } = await aWatchedRegistry(t)
  const lists = [
    ['/v2/_catalog', 'repositories'],
    ['/acr/v1/_catalog', 'repositories'],
    ['/v2/app/web/tags/list', 'tags'],
    ['/acr/v1/app/web/_tags', 'tags'],
    ['/acr/v1/app/web/_manifests', 'manifests']
  ] as const
  const beyond = `sha256:${'f'.repeat(64)}`

  for (const [path, name] of lists) {
    const ask = (query: string) => served.send('GET', `${path}?${query}`, basic('writer'))
    for (const n of ['-1', '-0', '1e309', '1.5', '0x10', 'NaN', '%00', '1%201', '٣'].map(encodeURI)) {
      const refused = await ask(`n=${n}`)
      assert.deepEqual([refused.status, refused.code], [400, 'PAGINATION_NUMBER_INVALID'], `${path} ${n}`)
    }
    for (const n of ['1', '1000', '1001', String(2 ** 31), '9'.repeat(400), '0001', '']) {
      const answer = await ask(`n=${n}`)
      assert.ok(JSON.parse(answer.text)[name].length > 0, `${path} ${n}`)
    }
    for (const query of ['n=0', `last=zzzz`, `n=1&last=${name === 'manifests' ? beyond : '~'}`]) {
      const { status, headers, text } = await ask(query)
      assert.deepEqual([status, headers.link, JSON.parse(text)[name]], [200, undefined, []], `${path} ${query}`)
    }
  }
})

test('an empty blob has an end and no range', async (t) => {
  const { served } = await aWatchedRegistry(t)
  const path = `/v2/app/web/blobs/${await pushBlob(served, 'app/web', Buffer.alloc(0))}`
  const ask = (range?: string) => served.send('GET', path, { ...basic(), ...(range && { range }) })

  const whole = await ask()
  const last = await ask('bytes=-5')
  const beyond = await ask('bytes=0-')

  assert.deepEqual([whole.status, whole.headers['content-length'], whole.bytes.length], [200, '0', 0])
  assert.deepEqual([last.status, last.bytes.length], [200, 0])
  assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */0'])
})
