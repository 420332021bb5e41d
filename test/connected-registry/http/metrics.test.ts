import assert from 'node:assert/strict'
import test from 'node:test'
import { createRequestCounts } from '../../../modules/connected-registry/src/http/request-counts.ts'
import { routes } from '../../../modules/connected-registry/src/http/routes.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { aToken, basic, bearerHeader, rawExchange, serveRegistry } from './served-registry.ts'

const image = anImage()

test('metrics are for who may read what is said of every repository', async (t) => {
  const served = await serveRegistry(t, {
    metrics: async () => [{ type: 'gauge', name: 'one', help: 'One.', samples: [{ value: 1 }] }]
  })
  const watcher = await aToken('watcher', ['repositories/*/metadata/read'])
  served.settings.tokens = [...served.settings.tokens, watcher]
  const ask = (headers: Record<string, string>) => served.send('GET', '/metrics', headers)

  const seen = await ask(basic('watcher'))
  assert.deepEqual([seen.status, seen.text], [200, '# HELP one One.\n# TYPE one gauge\none 1\n'])
  assert.equal(seen.headers['cache-control'], 'no-store')
  const listing = bearerHeader(await served.bearer('registry:catalog:*', 'watcher'))
  assert.equal((await ask(listing)).status, 200)
  const nobody = await ask({})
  assert.deepEqual([nobody.status, nobody.code], [401, 'UNAUTHORIZED'])
  assert.match(nobody.headers['www-authenticate']!, /scope="registry:catalog:\*"/)
  assert.equal((await ask(basic('watcher', 'wrong'))).status, 401)
  assert.equal((await ask(bearerHeader(await served.bearer('repository:app/web:pull', 'watcher')))).status, 401)
  const narrow = await ask(basic('reader'))
  assert.deepEqual([narrow.status, narrow.code], [403, 'DENIED'])
  for (const method of ['POST', 'PUT', 'DELETE']) {
    assert.equal((await served.send(method, '/metrics', basic('watcher'))).status, 404, method)
  }
})

test('requests are counted by method, route and status, also on paths that are known, and by how long they took', async (t) => {
  let now = 0
  const requests = createRequestCounts(() => (now += 30))
  const served = await serveRegistry(t, { requests })
  await served.hold('app/web', image, 'v1')

  for (const path of ['v1', 'v1', 'v1', 'none']) await served.send('GET', `/v2/app/web/manifests/${path}`, basic())
  await served.send('HEAD', '/v2/app/web/manifests/v1', basic())
  await served.send('GET', '/v2/app/web/manifests/v1')
  await served.send('GET', '/v3/', basic())

  const told = requests.read().filter((one) => one.requests.length > 0)
  const route = '/v2/*repository/manifests/:reference'
  assert.deepEqual(
    told.map(({ route, requests }) => ({ route, requests })),
    [
      { route: 'none', requests: [{ method: 'GET', status: 404, count: 1 }] },
      {
        route,
        requests: [
          { method: 'GET', status: 200, count: 3 },
          { method: 'GET', status: 404, count: 1 },
          { method: 'HEAD', status: 200, count: 1 },
          { method: 'GET', status: 401, count: 1 }
        ]
      }
    ]
  )
  assert.deepEqual(told[1]!.durationCounts, [0, 0, 0, 6, 6, 6, 6, 6, 6, 6])
  assert.equal(told[1]!.durationSum, 0.18)
})

test('nobody can make series: neither by methods, paths, hosts nor names', async (t) => {
  const requests = createRequestCounts()
  const served = await serveRegistry(t, { requests })
  const made = Array.from({ length: 15 }, (_, at) => `made-up-${at}`)

  for (const one of made) {
    const paths = [
      `/${one}`,
      `/v2/app/${one}/manifests/${one}?${one}`,
      `/v2/${one}/tags/list?n=${one}`,
      `/acr/v1/${one}`
    ]
    for (const path of paths) await served.send('GET', path)
    const head = `${one.toUpperCase()} /v2/ HTTP/1.1\r\nHost: ${one}\r\nConnection: close\r\n\r\n`
    await rawExchange(served.port, head)
    await rawExchange(served.port, head.replace(/^\S+/, 'PROPFIND'))
    await rawExchange(served.port, `GET ${one} HTTP/1.1\r\nHost: ${one}\r\nConnection: close\r\n\r\n`)
  }

  const told = requests.read()
  const known = new Set(['none', ...routes(served.routing).map(({ path }) => path)])
  const series = told.flatMap(({ route, requests }) =>
    requests.map(({ method, status }) => `${route} ${method} ${status}`)
  )
  assert.deepEqual(
    told.filter(({ route }) => !known.has(route)),
    []
  )
  assert.ok(series.length < 12, series.join('\n'))
  assert.ok(series.includes('none other 401') || series.includes('none other 404'), series.join('\n'))
})
