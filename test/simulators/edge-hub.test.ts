import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { createModuleClient, type ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import type { Desired } from '@connected-registry/edge-module/twin.ts'
import fc from 'fast-check'
import { createCertificateAuthority } from './edge-hub/certificates.ts'
import { createEdgeHub, type EdgeHub } from './edge-hub/edge-hub.ts'
import { verifySas } from './edge-hub/sas.ts'
import { createTwins, type Json, refusalOf, type Section } from './edge-hub/twins.ts'
import { createWorkloadApi, type WorkloadApi } from './edge-hub/workload-api.ts'

const iotHubHost = 'hub.example'
const deviceId = 'edge-01'
const certificates = await createCertificateAuthority()
const modules = { one: { key: randomBytes(32).toString('base64') }, two: { key: randomBytes(32).toString('base64') } }

interface Device {
  readonly hub: EdgeHub
  readonly signal: AbortSignal
  /** A started client; the keys of `keys` sign for it. */
  module(moduleId: string, keys?: Readonly<Record<string, { key: string }>>): Promise<ModuleClient>
}

async function aDevice(t: TestContext): Promise<Device> {
  const hub = createEdgeHub({ iotHubHost, deviceId, modules, certificates })
  await hub.start()
  t.after(() => hub.stop())
  return {
    hub,
    signal: AbortSignal.any([t.signal, AbortSignal.timeout(60_000)]),
    async module(moduleId, keys = modules) {
      const workload = await aWorkloadApi(t, keys)
      const client = createModuleClient({
        environment: {
          ...{ kind: 'runtime', workloadUri: workload.uri, generationId: '1' },
          ...{ deviceId, moduleId, iotHubHost, gatewayHost: hub.gatewayHost }
        },
        methods: { silence: () => new Promise(() => undefined) },
        log: createLog({ module: moduleId, level: 'None' }),
        timings: { requestMs: 200, methodMs: 60_000, reconnect: { minimumMs: 10, maximumMs: 20 } }
      })
      t.after(() => client.stop())
      client.start()
      return client
    }
  }
}

async function aWorkloadApi(t: TestContext, keys = modules as Record<string, { key: string }>): Promise<WorkloadApi> {
  const workload = createWorkloadApi({ modules: keys, certificates })
  await workload.start()
  t.after(() => workload.stop())
  return workload
}

test('a module with another key, and one that is not of the device, are not let in', async (t) => {
  const { hub, signal, module } = await aDevice(t)
  const wrong = { key: randomBytes(32).toString('base64') }

  await module('one', { one: wrong })
  const [first] = await once(hub.events, 'connect', { signal })
  await module('three', { three: wrong })
  while (!hub.connects.some(({ module }) => module === 'three')) await once(hub.events, 'connect', { signal })

  assert.equal(first.denied, 'wrong signature')
  assert.equal(hub.connects.find(({ module }) => module === 'three')?.denied, 'unknown identity')
})

test('a desired patch reaches the module it is for and no other', async (t) => {
  const { hub, signal, module } = await aDevice(t)
  const [one, two] = await Promise.all([module('one'), module('two')])
  const told: Record<string, Desired[]> = { one: [], two: [] }
  one.onDesired((desired) => told.one!.push(desired))
  two.onDesired((desired) => told.two!.push(desired))
  await Promise.all([hub.connected('one', signal), hub.connected('two', signal)])

  await hub.patchDesired('one', { to: 'one' })
  await hub.patchDesired('two', { to: 'two' })
  one.report({ done: true }, { urgent: true })
  two.report({ done: true }, { urgent: true })
  for (const id of ['one', 'two']) await hub.reportedMatches(id, ({ done }) => done === true, signal)

  assert.deepEqual(told.one?.at(-1), { $version: 2, to: 'one' })
  assert.deepEqual(told.two?.at(-1), { $version: 2, to: 'two' })
})

test('a patch for a module that is away is kept in its twin and delivered to nobody', async (t) => {
  const { hub } = await aDevice(t)

  assert.deepEqual(await hub.patchDesired('one', { a: 1 }), { version: 2, delivered: false })
  assert.deepEqual(hub.twin('one').desired, { $version: 2, a: 1 })
})

test('a method of a module that is away answers 404, one that says nothing 504', async (t) => {
  const { hub, signal, module } = await aDevice(t)
  assert.deepEqual(await hub.invoke('one', 'silence'), { status: 404 })
  await module('one')
  await hub.connected('one', signal)

  assert.deepEqual(await hub.invoke('one', 'silence', null, 30), { status: 504 })
})

test('with the answers lost a report is applied, with the requests lost it is not', async (t) => {
  const { hub, signal, module } = await aDevice(t)
  const client = await module('one')
  await hub.connected('one', signal)
  hub.faults.reported = 'drop'
  client.report({ a: 1 })
  await once(hub.events, 'request', { signal })
  assert.equal(hub.twin('one').reported.a, undefined)

  hub.faults.reported = 'loseAnswer'

  assert.equal((await hub.reportedMatches('one', ({ a }) => a === 1, signal)).a, 1)
})

test('a hub comes back on the same port, with the same twins', async (t) => {
  const { hub, signal, module } = await aDevice(t)
  await module('one')
  await hub.connected('one', signal)
  const { gatewayHost } = hub
  await hub.patchDesired('one', { a: 1 })

  await hub.stop()
  await hub.start({ keepSessions: false })

  assert.equal(hub.gatewayHost, gatewayHost)
  assert.equal(hub.twin('one').desired.a, 1)
  await hub.connected('one', signal)
})

test('a wait for what never comes ends with its signal', async (t) => {
  const { hub } = await aDevice(t)
  const signal = AbortSignal.abort()

  await assert.rejects(hub.connected('one', signal), { name: 'AbortError' })
  await assert.rejects(
    hub.reportedMatches('one', () => false, signal),
    { name: 'AbortError' }
  )
})

test('a token is accepted for its resource, key and time alone', () => {
  const key = Buffer.from('key').toString('base64')
  const resource = `${iotHubHost}/devices/d/modules/m`
  const token = (se: number, sr = encodeURIComponent(resource), signingKey = 'key') => {
    const signature = createHmac('sha256', signingKey).update(`${sr}\n${se}`).digest('base64')
    return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${se}`
  }
  const soon = Math.floor(Date.now() / 1000) + 60

  assert.deepEqual(verifySas(token(soon), { key, resource }), { expiry: soon * 1000 })
  assert.deepEqual(verifySas(token(soon - 120), { key, resource }), { refused: 'expired' })
  assert.deepEqual(verifySas(token(soon, 'other'), { key, resource }), { refused: 'of another resource' })
  assert.deepEqual(verifySas(token(soon, undefined, 'x'), { key, resource }), { refused: 'wrong signature' })
})

test('any other password is refused', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `SharedAccessSignature ${rest}`)
  )
  fc.assert(
    fc.property(text, (password) => assert.ok('refused' in verifySas(password, { key: 'a2V5', resource: 'r' })))
  )
})

const nested = (levels: number): Json => (levels === 0 ? 1 : { in: nested(levels - 1) })

for (const [what, patch] of Object.entries<Section>({
  'a name with a dot': { 'a.b': 1 },
  'a name with a space': { a: { 'b c': 1 } },
  'a name with $': { $a: 1 },
  'a long name': { ['k'.repeat(1025)]: 1 },
  'a long string': { a: ['x'.repeat(4097)] },
  'a large integer': { a: 2 ** 53 },
  'null in an array': { a: [null] },
  'eleven levels': nested(11) as Section,
  'more than 32 KiB': Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`k${at}`, 'x'.repeat(4000)]))
}))
  test(`reported properties with ${what} are refused and change nothing`, () => {
    const twins = createTwins(['m'])

    assert.equal('refused' in twins.patchReported('m', patch), true)

    assert.deepEqual(twins.get('m').reported, { $version: 1 })
  })

test('reported properties within the limits are merged', () => {
  const twins = createTwins(['m'])
  const limit = { ['k'.repeat(1024)]: 'x'.repeat(4096), deep: nested(9), integer: -(2 ** 52), gone: null }
  assert.equal(refusalOf(limit), undefined)
  twins.patchReported('m', { gone: 1, kept: 1 })

  assert.deepEqual(twins.patchReported('m', { gone: null, list: [1] }), { version: 3 })

  assert.deepEqual(twins.get('m').reported, { $version: 3, kept: 1, list: [1] })
})

test('replaced desired properties are sent with nulls for what is gone', () => {
  const twins = createTwins(['m'])
  twins.patchDesired('m', { gone: 1, section: { old: 1 } })

  const sent = twins.replaceDesired('m', { section: { new: 1 } })

  assert.deepEqual(twins.get('m').desired, { $version: 3, section: { new: 1 } })
  assert.deepEqual(sent, { $version: 3, gone: null, section: { old: null, new: 1 } })
})

for (const rsa of [false, true])
  test(`an issued certificate ${rsa ? 'with an RSA key ' : ''}is good for its names, as a server and with its authority`, async () => {
    const { certificate, privateKey, expiration } = await certificates.issue({
      names: ['127.0.0.1', 'site'],
      lifeMs: 60_000,
      rsa
    })

    const leaf = new X509Certificate(certificate)
    assert.equal(leaf.subjectAltName, 'IP Address:127.0.0.1, DNS:site')
    assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
    assert.ok(leaf.checkIssued(new X509Certificate(certificates.certificate)))
    assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKey)))
    assert.ok(expiration.getTime() <= Date.now() + 60_000)
    assert.equal(createPrivateKey(privateKey).asymmetricKeyType, rsa ? 'rsa' : 'ec')
  })

test('the hub speaks TLS with a certificate of the authority', async (t) => {
  const { hub } = await aDevice(t)

  const socket = connect({ host: '127.0.0.1', port: hub.port, ca: certificates.certificate })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')

  assert.equal(socket.authorized, true)
})

test('the workload API wants a version, and knows its modules and no other', async (t) => {
  const { uri } = await aWorkloadApi(t)
  const sign = (module: string, query: string) =>
    fetch(`${uri}modules/${module}/genid/1/sign${query}`, { method: 'POST', body: JSON.stringify({ data: 'eA==' }) })

  const signed = await sign('one', '?api-version=2018-06-28')
  assert.deepEqual(await signed.json(), {
    digest: createHmac('sha256', Buffer.from(modules.one.key, 'base64')).update('x').digest('base64')
  })
  assert.equal((await sign('one', '')).status, 400)
  const unknown = await sign('three', '?api-version=2018-06-28')
  assert.deepEqual([unknown.status, await unknown.json()], [404, { message: 'module not found: three' }])
})
