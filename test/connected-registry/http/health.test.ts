import assert from 'node:assert/strict'
import test from 'node:test'
import { serveRegistry } from './served-registry.ts'

test('whoever asks is told that the registry is alive and can serve, without a token', async (t) => {
  const served = await serveRegistry(t)

  const [alive, ready] = [await served.send('GET', '/healthz'), await served.send('GET', '/readyz')]

  assert.deepEqual([alive.status, JSON.parse(alive.text)], [200, { alive: true }])
  assert.deepEqual([ready.status, JSON.parse(ready.text)], [200, { ready: true }])
  assert.equal(ready.headers['cache-control'], 'no-store')
  assert.deepEqual(
    [(await served.send('HEAD', '/readyz')).status, (await served.send('POST', '/readyz')).status],
    [200, 404]
  )
})

test('a registry that cannot serve says why, and is alive all the same', async (t) => {
  const obstacles = [{ code: 'DiskError', description: 'the data volume cannot be used' }]
  const served = await serveRegistry(t, { obstacles })

  const ready = await served.send('GET', '/readyz')

  assert.deepEqual([ready.status, JSON.parse(ready.text)], [503, { ready: false, reasons: obstacles }])
  assert.equal((await served.send('GET', '/healthz')).status, 200)
})

test('health is answered under any address, for it is not asked by the name that clients use', async (t) => {
  const served = await serveRegistry(t, { loginServer: 'registry.site' })
  const host = { host: '10.0.0.7:8080' }

  const answers = [await served.send('GET', '/healthz', host), await served.send('GET', '/readyz', host)]

  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200]
  )
  assert.equal((await served.send('GET', '/v2/', host)).status, 403)
})
