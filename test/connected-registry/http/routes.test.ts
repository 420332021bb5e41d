import assert from 'node:assert/strict'
import test from 'node:test'
import { createRouter, type Route, routes } from '../../../modules/connected-registry/src/http/routes.ts'
import { isGatewayAction } from '../../../modules/connected-registry/src/protocol/scope-map.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { basic, bearerHeader, rawExchange, serveRegistry } from './served-registry.ts'

const absent = `sha256:${'0'.repeat(64)}`
// Everybody may ask for an access token: the credentials are the question.
const open = ['{/acr}/oauth2/token', '{/acr}/oauth2/exchange', '/acr/gateway/v1', '/healthz', '/readyz']

function examplePath(pattern: string): string {
  return pattern
    .replace('{/acr}', '/acr')
    .replace('*repository', 'app/web')
    .replace(':reference', absent)
    .replace(':gateway', 'site-a')
}

test('every route of the router declares what it needs, and asks for it', async (t) => {
  const served = await serveRegistry(t)
  const declared = routes(served.routing)
  const layers = createRouter(served.routing).stack

  for (const layer of layers) {
    for (const method of layer.methods.filter((name) => name !== 'HEAD')) {
      const route = declared.find(({ path, method: name }) => path === layer.path && name.toUpperCase() === method)
      const answer = await served.send(method, examplePath(String(layer.path)))

      assert.ok(route?.needs, `${method} ${layer.path}`)
      assert.equal(route.needs === 'nothing', open.includes(String(layer.path)))
      if (route.needs !== 'nothing') assert.equal(answer.status, 401, `${method} ${layer.path}`)
    }
  }
  assert.equal(layers.length, declared.length)
})

const mutations = ['POST', 'PUT', 'PATCH', 'DELETE']
const places = [
  '/v2/',
  '/v2/_catalog',
  '/v2/app/web',
  '/v2/app/web/tags/list',
  '/v2/app/web/manifests/v1',
  `/v2/app/web/manifests/${absent}`,
  `/v2/app/web/blobs/${absent}`,
  `/v2/app/web/referrers/${absent}`,
  '/v2/app/web/blobs/uploads/',
  '/v2/app/web/blobs/uploads',
  `/v2/app/web/blobs/uploads/?digest=${absent}`,
  `/v2/app/web/blobs/uploads/?mount=${absent}&from=app/other`,
  '/v2/app/web/blobs/uploads/7e1b7bb0-3b0b-4a3d-9c7e-2f9d9f0a0b11?digest=x'
]

test('every write is refused: 403 for a client with any right, 401 for nobody', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('app/web', anImage(), 'v1')
  const bearer = bearerHeader(await served.bearer('repository:app/web:pull,push,delete', 'writer'))
  const body = Buffer.from('{}')

  for (const method of mutations) {
    for (const path of places) {
      for (const client of [basic('writer'), basic('reader'), bearer]) {
        const answer = await served.send(method, path, client, body)

        assert.deepEqual([answer.status, answer.code], [403, 'DENIED'], `${method} ${path}`)
        assert.match(answer.text, /"message":"This operation is not allowed on this registry\."/)
      }
      const nobody = await served.send(method, path, {}, body)
      assert.deepEqual([nobody.status, nobody.code], [401, 'UNAUTHORIZED'], `${method} ${path}`)
      assert.match(nobody.headers['www-authenticate']!, /^Bearer realm=/)
    }
  }
  assert.equal((await served.send('GET', '/v2/app/web/manifests/v1', basic())).status, 200)
})

/** Every way to change something here; bodies that are well formed, so that nothing but the right decides. */
const changes: readonly (readonly [method: string, path: string, type?: string])[] = [
  ['PUT', '/v2/app/web/manifests/v2', 'application/vnd.oci.image.index.v1+json'],
  ['DELETE', '/v2/app/web/manifests/v1'],
  ['DELETE', `/v2/app/web/manifests/${absent}`],
  ['DELETE', `/v2/app/web/blobs/${absent}`],
  ['POST', '/v2/app/web/blobs/uploads/'],
  ['POST', `/v2/app/web/blobs/uploads/?mount=${absent}&from=app/other`],
  ['GET', '/v2/app/web/blobs/uploads/unknown'],
  ['PATCH', '/v2/app/web/blobs/uploads/unknown'],
  ['PUT', `/v2/app/web/blobs/uploads/unknown?digest=${absent}`],
  ['DELETE', '/v2/app/web/blobs/uploads/unknown'],
  ['DELETE', '/acr/v1/app/web/_tags/v1'],
  ['DELETE', '/acr/v1/app/web'],
  ['PATCH', '/acr/v1/app/web'],
  ['PATCH', '/acr/v1/app/web/_tags/v1'],
  ['PATCH', `/acr/v1/app/web/_manifests/${absent}`]
]
const emptyIndex = Buffer.from('{"schemaVersion":2,"manifests":[]}')
const refusals = {
  mode: 'This operation is not allowed on this registry.',
  scope: 'Insufficient scopes to perform the operation'
}

test('every change that is declared is in the table below', async (t) => {
  const declared = routes((await serveRegistry(t)).routing)
  const ofAll = ['catalog', 'every repository', 'any token', 'nothing']
  const reading: readonly string[] = ['content/read', 'metadata/read', ...ofAll]
  // The channel of a child, which changes nothing here: the mode does not matter.
  const isChange = ({ needs }: Route) => !reading.includes(needs) && !isGatewayAction(needs)

  const kinds = new Set(declared.filter(isChange).map(({ method, path }) => method + path))

  const paths = changes.map(([method, path]) => [method.toLowerCase(), path.split('?')[0]!] as const)
  const covers = (kind: string) =>
    paths.some(([method, path]) => {
      const pattern = kind.slice(kind.indexOf('/')).replace('*repository', '[a-z/]+').replace(':reference', '[^/]+')
      return kind.startsWith(method) && new RegExp(`^${pattern}$`).test(path)
    })
  assert.deepEqual(
    [...kinds].filter((kind) => !covers(kind)),
    []
  )
})

for (const [method, path, type] of changes) {
  test(`${method} ${path.replace(absent, 'sha256:0...')} needs the mode and the right`, async (t) => {
    const served = await serveRegistry(t)
    await served.hold('app/web', anImage(), 'v1')
    const ask = (name: string | undefined) =>
      served.send(method, path, { ...(name ? basic(name) : {}), ...(type && { 'content-type': type }) }, emptyIndex)

    const readOnly = [await ask('writer'), await ask('reader')]
    served.settings.mode = 'ReadWrite'
    const [nobody, reader] = [await ask(undefined), await ask('reader')]
    const writer = await ask('writer')

    for (const { status, text } of readOnly) assert.deepEqual([status, messageIn(text)], [403, refusals.mode])
    assert.deepEqual([reader.status, messageIn(reader.text)], [403, refusals.scope])
    assert.equal(nobody.status, 401)
    assert.ok(![401, 403].includes(writer.status), `${writer.status} ${writer.text}`)
  })
}

test('a push by tag parameters is a push: it needs the right for its repository, and ReadWrite mode', async (t) => {
  const served = await serveRegistry(t)
  const path = `/v2/app/web/manifests/${absent}?tag=v1&tag=v2`

  const readOnly = await served.send('PUT', path, basic('writer'), emptyIndex)
  served.settings.mode = 'ReadWrite'
  const reader = await served.send('PUT', path, basic('reader'), emptyIndex)

  assert.deepEqual([readOnly.status, reader.status], [403, 403])
})

function messageIn(text: string): string | undefined {
  return text === '' ? undefined : (JSON.parse(text) as { errors: [{ message: string }] }).errors[0].message
}

test('the challenge to a push names what a push needs', async (t) => {
  const served = await serveRegistry(t)

  const answer = await served.send('POST', '/v2/app/web/blobs/uploads/')

  assert.match(answer.headers['www-authenticate']!, /,scope="repository:app\/web:pull,push"$/)
})

test('a refused upload is answered without waiting for its bytes, and the connection ends', async (t) => {
  const served = await serveRegistry(t)
  const head = [
    'PATCH /v2/app/web/blobs/uploads/1 HTTP/1.1',
    'Host: x',
    `Authorization: ${basic().authorization}`,
    'Content-Length: 1099511627776'
  ]
  // Two megabytes of a terabyte: more than is let run out, so that the end does not hang on the clock.
  const sent = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.alloc(2 * 2 ** 20)])

  const received = await rawExchange(served.port, sent)

  assert.match(received, /^HTTP\/1\.1 403 Forbidden\r\n/)
  assert.match(received, /connection: close/i)
  assert.match(received, /This operation is not allowed on this registry\./)
})

test('a repository outside the scope map is denied before anybody looks whether it is there', async (t) => {
  const served = await serveRegistry(t)
  await served.hold('other/web', anImage(), 'v1')

  for (const name of ['other/web', 'other/none']) {
    for (const rest of ['manifests/v1', `blobs/${absent}`, 'tags/list', `referrers/${absent}`]) {
      const answer = await served.send('GET', `/v2/${name}/${rest}`, basic())

      assert.deepEqual([answer.status, answer.code], [403, 'DENIED'], `${name}/${rest}`)
      assert.match(answer.text, /"message":"Insufficient scopes to perform the operation"/)
    }
  }
})

test('the base says who it is, to whoever is somebody', async (t) => {
  const served = await serveRegistry(t)

  for (const method of ['GET', 'HEAD']) {
    const somebody = await served.send(method, '/v2/', basic())
    const nobody = await served.send(method, '/v2/')

    assert.equal(somebody.status, 200)
    assert.equal(nobody.status, 401)
    assert.match(nobody.headers['www-authenticate']!, /^Bearer realm="[^"]+",service="[^"]+"$/)
    for (const answer of [somebody, nobody]) {
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
    }
  }
})

test('the status is for clients with a token', async (t) => {
  const served = await serveRegistry(t)

  const nobody = await served.send('GET', '/status')
  const reader = await served.send('GET', '/status', basic())

  assert.equal(nobody.status, 401)
  assert.deepEqual([reader.status, JSON.parse(reader.text)], [200, { connectionState: 'Offline' }])
})

test('a path that is no route is unknown, and below /v2 and /acr/v1 only a client learns that', async (t) => {
  const served = await serveRegistry(t)

  for (const path of ['/', '/v3/', '/metricsx', '/acr/gateway/v2', '/acr/gateway/v1/site-a']) {
    assert.equal((await served.send('GET', path, basic())).status, 404, path)
  }
  for (const path of ['/v2/app', '/v2/app/web/blobs/', '/v2//manifests/v1', '/acr/v1/']) {
    assert.equal((await served.send('GET', path, basic())).status, 404, path)
    assert.equal((await served.send('GET', path)).status, 401, path)
  }
})
