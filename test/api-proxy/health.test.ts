import assert from 'node:assert/strict'
import type { RequestListener, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { answerHealth, type Obstacle } from '../../modules/api-proxy/src/health.ts'
import { createRegistryProbe, registryOf } from '../../modules/api-proxy/src/registry-probe.ts'
import { routesOf, type Upstream } from '../../modules/api-proxy/src/routes.ts'
import { createDoorServer } from '../../modules/api-proxy/src/server.ts'
import { aRegistry, ask, silentLog } from './open-door.ts'

/** A door behind which everything is answered `led on`. */
async function aDoor(t: TestContext, obstacles: readonly Obstacle[] = []): Promise<number> {
  const ledOn = (_: unknown, response: ServerResponse) => void response.end('led on')
  const handle = answerHealth(ledOn, async () => obstacles)
  const server = createDoorServer({ handle, log: silentLog })
  t.after(() => server.stop(AbortSignal.abort()))
  return (await server.listen('127.0.0.1', 0)).port
}

function aRegistryAt(port: number): () => Upstream {
  return () => ({ kind: 'registry', protocol: 'http', address: { host: '127.0.0.1', port } })
}

async function askRegistry(t: TestContext, listener: RequestListener, timeoutMs = 5_000) {
  const { port } = await aRegistry(t, listener)
  return createRegistryProbe(aRegistryAt(port), { timeoutMs })()
}

const codes = (obstacles: readonly Obstacle[]) => obstacles.map(({ code }) => code)

test('the door answers for its own health, and leads nobody on for it', async (t) => {
  const port = await aDoor(t)

  const [alive, ready] = [await ask(port, '/healthz'), await ask(port, '/readyz?verbose')]

  assert.deepEqual([alive.status, JSON.parse(alive.body)], [200, { alive: true }])
  assert.deepEqual([ready.status, JSON.parse(ready.body)], [200, { ready: true }])
  assert.equal((await ask(port, '/readyz', { method: 'HEAD' })).status, 200)
})

test('a door that can serve nobody says why, and is alive all the same', async (t) => {
  const reasons = [{ code: 'CERTIFICATE_EXPIRED', description: 'the certificate expired' }]
  const port = await aDoor(t, reasons)

  const { status, body } = await ask(port, '/readyz')

  assert.deepEqual([status, JSON.parse(body)], [503, { ready: false, reasons }])
  assert.equal((await ask(port, '/healthz')).status, 200)
})

test('no path of anybody else is taken for health', async (t) => {
  const port = await aDoor(t)

  for (const path of ['/v2/healthz/tags/list', '/healthz/', '/Healthz', '/readyzz', '/v2/readyz']) {
    assert.equal((await ask(port, path)).body, 'led on', path)
  }
  assert.equal((await ask(port, '/healthz?comp=list', { headers: { 'x-ms-version': '2019-02-02' } })).body, 'led on')
  assert.equal((await ask(port, '/readyz', { method: 'POST', body: 'x' })).body, 'led on')
})

test('a registry that is ready, or knows no readiness, is in the way of nobody', async (t) => {
  assert.deepEqual(await askRegistry(t, (_, answer) => answer.end('{"ready":true}')), [])
  assert.deepEqual(await askRegistry(t, (_, answer) => answer.writeHead(404).end()), [])
})

test('a registry that is not ready hands on its reasons, in their shape only', async (t) => {
  const reasons = [{ code: 'DiskError', description: 'the data volume cannot be used', path: '/x' }, { code: 7 }, null]
  const told = await askRegistry(t, (_, answer) => answer.writeHead(503).end(JSON.stringify({ reasons })))

  assert.deepEqual(codes(told), ['REGISTRY_NOT_READY', 'DiskError'])
  assert.deepEqual(Object.keys(told[1] ?? {}), ['code', 'description'])
  for (const body of ['', 'null', '{}', '{"reasons":{}}', 'x'.repeat(100_000)]) {
    const garbage = await askRegistry(t, (_, answer) => answer.writeHead(503).end(body))
    assert.deepEqual(codes(garbage), ['REGISTRY_NOT_READY'])
  }
})

test('a registry that is gone, or hangs, is not reachable', async (t) => {
  const { port, stop } = await aRegistry(t, () => {})
  await stop()

  const [gone] = await createRegistryProbe(aRegistryAt(port))()
  const [hung] = await askRegistry(t, () => {}, 20)

  assert.deepEqual([gone?.code, hung?.code], ['REGISTRY_UNREACHABLE', 'REGISTRY_UNREACHABLE'])
  assert.match(gone?.description ?? '', /ECONNREFUSED/)
  assert.match(hung?.description ?? '', /in time/)
})

test('however many ask, the registry is asked once a second', async (t) => {
  let asked = 0
  let nowMs = 0
  const { port } = await aRegistry(t, (_, answer) => {
    asked += 1
    answer.end()
  })
  const probe = createRegistryProbe(aRegistryAt(port), { now: () => nowMs })

  await Promise.all([probe(), probe()])
  nowMs = 999
  await probe()
  const before = asked
  nowMs = 1_000
  await probe()

  assert.deepEqual([before, asked], [1, 2])
})

test('what lies above the device is not asked', async () => {
  const parent = { host: '127.0.0.1', port: 1 }

  const above = routesOf({ parent })
  const here = routesOf({ parent, registry: { host: 'connected-registry', port: 8080 } })

  assert.deepEqual(await createRegistryProbe(() => registryOf(above))(), [])
  assert.equal(registryOf(here)?.address.host, 'connected-registry')
})
