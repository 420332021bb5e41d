import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { type RequestOptions, request as secureRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { createHubWeb } from '../simulators/edge-hub/hub-web.ts'
import { runtimeVariables } from '../simulators/edge-hub/module-environment.ts'
import { createWorkloadApi } from '../simulators/edge-hub/workload-api.ts'
import { createModuleProcess } from '../simulators/module-process.ts'
import { aRegistry, ask, openSocket } from './open-door.ts'

const main = new URL('../../modules/api-proxy/src/main.ts', import.meta.url)
const authority = await createCertificateAuthority()

function aProcess(t: TestContext, registryPort: number, environment: Record<string, string>) {
  const door = createModuleProcess({
    name: 'api-proxy',
    main,
    ready: 'door opened',
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      NGINX_DEFAULT_PORT: '0',
      CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registryPort}`,
      ...environment
    }
  })
  t.after(() => door.stop('SIGKILL'))
  return door
}

function portOf(door: ReturnType<typeof aProcess>): number {
  return Number(door.lines.find(({ msg }) => msg === 'door opened')?.port)
}

async function askSecurely(port: number, host = 'localhost', path = '/v2/', more: RequestOptions = {}) {
  const options = { ...more, host: '127.0.0.1', servername: host, port, path, ca: authority.certificate, agent: false }
  const [answer] = await once(secureRequest(options).end(), 'response')
  const { subjectaltname } = (answer.socket as TLSSocket).getPeerCertificate()
  return { body: await text(answer), subjectaltname }
}

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'api-proxy-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('told to stop, the process says so, lets a running answer finish and ends with 0', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (asked, answer) => {
    if (asked.url === '/readyz') answer.end()
    else arrived.resolve(answer)
  })
  const door = aProcess(t, registry.port, { API_PROXY_TLS: 'off' })
  await door.start()
  const client = await openSocket(t, portOf(door))
  client.write('GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const answer = await arrived.promise

  const stopping = door.line(({ msg }) => msg === 'api-proxy stopping', t.signal)
  const code = door.stop('SIGTERM')
  await stopping
  const [ready, refused] = [await ask(portOf(door), '/readyz'), await ask(portOf(door), '/v2/')]
  answer.end('the whole answer')
  const received = await text(client)

  assert.deepEqual([ready.status, JSON.parse(ready.body).reasons[0].code], [503, 'STOPPING'])
  assert.deepEqual([refused.status, refused.headers['retry-after'], refused.headers.connection], [503, '10', 'close'])
  assert.equal(await code, 0)
  assert.match(received, /the whole answer/)
  assert.deepEqual(
    door.lines.filter(({ level }) => level !== 'info'),
    []
  )
})

test('without a way to TLS the process says what to do and ends with 1', async (t) => {
  const door = aProcess(t, 1, { NGINX_DEFAULT_PORT: 'many' })

  await assert.rejects(door.start(), /ended with 1/)

  const told = JSON.stringify(door.lines)
  assert.match(told, /NGINX_DEFAULT_PORT/)
  assert.match(told, /API_PROXY_TLS=off/)
})

test('a port that is taken ends the process with 1', async (t) => {
  const registry = await aRegistry(t, () => {})
  const door = aProcess(t, registry.port, { API_PROXY_TLS: 'off', NGINX_DEFAULT_PORT: String(registry.port) })

  await assert.rejects(door.start(), /ended with 1/)

  assert.match(JSON.stringify(door.lines), /EADDRINUSE/)
})

test('with files of its own the door speaks TLS by their certificate', async (t) => {
  const registry = await aRegistry(t, (asked, answer) => answer.end(asked.headers['x-forwarded-proto']))
  const folder = await aFolder(t)
  const { certificate, privateKey } = await authority.issue({ names: ['localhost'] })
  await writeFile(join(folder, 'tls.crt'), certificate)
  await writeFile(join(folder, 'tls.key'), privateKey)
  const door = aProcess(t, registry.port, { API_PROXY_CERTIFICATE_VOLUME: folder })
  await door.start()

  assert.equal((await askSecurely(portOf(door))).body, 'https')
  assert.equal(await door.stop(), 0)
})

test('in IoT Edge the certificate comes from the runtime, and the twin is obeyed and reported', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.end('reached'))
  const folder = await aFolder(t)
  const modules = { 'api-proxy': { key: randomBytes(32).toString('base64') } }
  const device = { iotHubHost: 'hub.example', deviceId: 'edge-01', modules, certificates: authority }
  const hub = createEdgeHub(device)
  const pump = await authority.issue({ names: ['pump'], isClient: true })
  const devices = { pump: new X509Certificate(pump.certificate).fingerprint256 }
  const web = createHubWeb({ ...device, proxyModule: 'api-proxy', devices, accept: hub.accept })
  const workload = createWorkloadApi({ ...device, socketPath: join(folder, 'workload.sock') })
  await Promise.all([hub.start(), web.start(), workload.start()])
  t.after(() => Promise.all([hub.stop(), web.stop(), workload.stop()]))
  await hub.setDesired('api-proxy', { logLevel: 'Debug', proxy_config: 'ZXZlbnRz' })
  const { iotHubHost, deviceId } = device
  const variables = {
    module: 'api-proxy',
    iotHubHost,
    deviceId,
    gatewayHost: hub.gatewayHost,
    workloadUri: workload.uri
  }
  const edgeHub = { API_PROXY_EDGE_HUB_ADDRESS: `127.0.0.1:${web.port}` }
  const door = aProcess(t, registry.port, { ...runtimeVariables(variables), ...edgeHub })

  await door.start()
  const patient = AbortSignal.any([t.signal, AbortSignal.timeout(60_000)])
  const reported = await hub.reportedMatches('api-proxy', (section) => section.desiredVersion !== undefined, patient)
  const answer = await askSecurely(portOf(door), '')
  await door.line(({ msg, level }) => msg === 'request answered' && level === 'debug', patient)

  assert.equal(answer.body, 'reached')
  assert.match(answer.subjectaltname ?? '', /IP Address:127\.0\.0\.1, DNS:api-proxy/)
  assert.match(JSON.stringify(reported.problems), /proxy_config/)
  assert.deepEqual(reported.listening, { address: '127.0.0.1', port: portOf(door) })
  const described = Object.fromEntries((reported.routes as { prefix: string }[]).map((route) => [route.prefix, route]))
  assert.deepEqual(described['/v2'], { prefix: '/v2', target: `127.0.0.1:${registry.port}`, protocol: 'http' })
  assert.deepEqual(described['/devices'], { prefix: '/devices', target: `127.0.0.1:${web.port}`, protocol: 'https' })
  assert.match(JSON.stringify(reported.certificate), /workload.*20\d\d-/)

  const asPump = { headers: { 'x-ms-edge-moduleid': 'pump' }, cert: pump.certificate, key: pump.privateKey }
  assert.match(
    (await askSecurely(portOf(door), '', '/twins/pump/methods', asPump)).body,
    /"url":"\/twins\/pump\/methods"/
  )
  assert.ok(workload.requests.some(({ call }) => call === 'sign'))

  const metrics = await aRegistry(t, (_, answer) => answer.end('metrics'))
  const added = { prefix: '/v2/metrics', target: `127.0.0.1:${metrics.port}` }
  await hub.patchDesired('api-proxy', { proxy_config: null, routes: [added] })
  const listed = (section: Record<string, unknown>) => JSON.stringify(section.routes).includes('/v2/metrics')
  assert.deepEqual((await hub.reportedMatches('api-proxy', listed, patient)).problems, [])
  assert.equal((await askSecurely(portOf(door), '', '/v2/metrics')).body, 'metrics')
  await hub.patchDesired('api-proxy', { routes: [added, { prefix: 'v2', target: '' }] })
  const refused = await hub.reportedMatches('api-proxy', (section) => section.desiredVersion === 4, patient)
  assert.match(JSON.stringify(refused.problems), /routes\.1\.prefix: must be/)
  assert.ok(listed(refused))
  assert.equal(await door.stop(), 0)
})

test('while the runtime has no certificate the door stays shut, can be stopped, and opens when there is one', async (t) => {
  const folder = await aFolder(t)
  const modules = { 'api-proxy': { key: randomBytes(32).toString('base64') } }
  const workload = createWorkloadApi({ socketPath: join(folder, 'workload.sock'), modules, certificates: authority })
  workload.faults.status = 500
  await workload.start()
  t.after(() => workload.stop())
  const registry = await aRegistry(t, (_, answer) => answer.end('reached'))
  const variables = { module: 'api-proxy', iotHubHost: 'hub.example', deviceId: 'edge-01', gatewayHost: '127.0.0.1:1' }
  const environment = runtimeVariables({ ...variables, workloadUri: workload.uri })
  const door = aProcess(t, registry.port, environment)

  const started = door.start()
  const notObtained = await door.line(({ msg }) => msg === 'server certificate not obtained', t.signal)
  workload.faults.status = undefined
  await started

  assert.equal(notObtained.level, 'warn')
  assert.equal((await askSecurely(portOf(door), '')).body, 'reached')
  assert.equal(await door.stop(), 0)
})

test('an unanswered registry is warned of in the log', async (t) => {
  const door = aProcess(t, 1, { API_PROXY_TLS: 'off' })
  await door.start()

  const answer = await ask(portOf(door), '/v2/')

  const line = await door.line(({ level }) => level === 'warn', t.signal)
  assert.equal(answer.status, 502)
  assert.match(String(line.reason), /ECONNREFUSED/)
})
