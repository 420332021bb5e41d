import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { startApp } from '../../modules/api-proxy/src/app.ts'
import { readConfig } from '../../modules/api-proxy/src/config.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { runtimeVariables } from '../simulators/edge-hub/module-environment.ts'
import { createWorkloadApi } from '../simulators/edge-hub/workload-api.ts'
import { aRegistry, silentLog } from './open-door.ts'

const authority = await createCertificateAuthority()
const minute = 60_000

/** The door of a device whose clock a test moves, certificates of 30 minutes, and no edgeHub. */
async function aDoor(t: TestContext, registryPort: number) {
  const modules = { 'api-proxy': { key: randomBytes(32).toString('base64') } }
  const workload = createWorkloadApi({ modules, certificates: authority, certificateLifeMs: 30 * minute })
  await workload.start()
  t.after(() => workload.stop())
  const device = { module: 'api-proxy', iotHubHost: 'hub.example', deviceId: 'edge-01', gatewayHost: '127.0.0.1' }
  const config = readConfig({
    ...runtimeVariables({ ...device, workloadUri: workload.uri }),
    API_PROXY_HOST: '127.0.0.1',
    NGINX_DEFAULT_PORT: '0',
    CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registryPort}`
  })
  const clock = aClock()
  const app = startApp({ config: { ...config, edge: undefined }, log: silentLog, drainMs: 0, clock })
  t.after(() => app.stop())
  const { port } = await app.opened
  return { port, workload, clock }
}

function aClock() {
  const begin = Date.now()
  let passedMs = 0
  let timer: { readonly run: () => void; readonly delayMs: number } | undefined
  let set = Promise.withResolvers<void>()
  return {
    now: () => begin + passedMs,
    passedMs: () => passedMs,
    setTimer(run: () => void, delayMs: number) {
      timer = { run, delayMs }
      set.resolve()
      return () => {}
    },
    /** Lets the time pass until the next timer, and waits for what it sets. */
    async next(): Promise<void> {
      await set.promise
      set = Promise.withResolvers()
      passedMs += timer?.delayMs ?? 0
      timer?.run()
      await set.promise
    }
  }
}

async function ask(port: number, path: string): Promise<{ answer: IncomingMessage; serial: string }> {
  const options = { host: '127.0.0.1', port, path, ca: authority.certificate, agent: false }
  const [answer] = (await once(request(options).end(), 'response')) as [IncomingMessage]
  return { answer, serial: (answer.socket as TLSSocket).getPeerCertificate().serialNumber }
}

test('the certificate is renewed at two thirds of its life, and a download goes on over it', async (t) => {
  const begun = Promise.withResolvers<ServerResponse>()
  const registry = await aRegistry(t, (asked, answer) => {
    if (asked.url === '/v2/') return answer.end()
    answer.write('before ')
    begun.resolve(answer)
  })
  const { port, workload, clock } = await aDoor(t, registry.port)
  const download = await ask(port, '/v2/app/blobs/x')
  const answer = await begun.promise

  while (workload.requests.length < 2) await clock.next()
  const after = await ask(port, '/v2/')
  answer.end('after')

  assert.ok(Math.abs(clock.passedMs() - 20 * minute) < minute, `${clock.passedMs() / minute} minutes`)
  assert.notEqual(after.serial, download.serial)
  assert.equal(await text(download.answer), 'before after')
})

test('a workload API that fails, or gives what cannot be used, leaves the certificate in use and is asked again', async (t) => {
  const registry = await aRegistry(t, (_, answer) => answer.end())
  const { port, workload, clock } = await aDoor(t, registry.port)
  const first = await ask(port, '/v2/')
  const over = await authority.issue({ names: ['127.0.0.1'], lifeMs: -minute })
  const key = (await authority.issue({ names: ['127.0.0.1'] })).privateKey
  const answers = [
    { status: 500 },
    { body: 'garbage' },
    { body: JSON.stringify({ ...over, privateKey: { type: 'key', bytes: over.privateKey } }) },
    { body: JSON.stringify({ ...over, expiration: '2099-01-01T00:00:00Z', privateKey: { type: 'key', bytes: key } }) }
  ]

  for (const fault of answers) {
    Object.assign(workload.faults, { status: undefined, body: undefined, ...fault })
    const asked = workload.requests.length
    while (workload.requests.length === asked) await clock.next()
    assert.equal((await ask(port, '/v2/')).serial, first.serial, JSON.stringify(fault).slice(0, 60))
  }
  Object.assign(workload.faults, { status: undefined, body: undefined })
  await clock.next()

  assert.notEqual((await ask(port, '/v2/')).serial, first.serial)
})
