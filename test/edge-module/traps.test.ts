import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import type { Desired } from '@connected-registry/edge-module/twin.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { createLine } from '../simulators/edge-hub/line.ts'
import { methodsFilter } from '../simulators/edge-hub/requests.ts'
import { anEdgeDevice, deviceId, iotHubHost, moduleId, told } from './edge-device.ts'

// Sixteen behaviours of edgeHub and of Microsoft's SDK that end a naive module, or leave it deaf. The SDK stays as it
// is; each test brings its trap about and shows the module on its feet.

function desiredOf(client: ModuleClient) {
  const desired = told<Desired>()
  client.onDesired(desired.listener)
  return desired
}

function connectionOf(client: ModuleClient) {
  const connection = told<boolean>()
  client.onConnection(connection.listener)
  return connection
}

const isRetry = ({ msg }: { msg: string }) => msg.includes('will try again')

test('trap 1: a hub that lost its sessions is subscribed to anew', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  const desired = desiredOf(client)
  await hub.connected(moduleId, signal)

  await hub.stop()
  await hub.patchDesired(moduleId, { missed: true })
  await hub.start({ keepSessions: false })
  await hub.connected(moduleId, signal)

  await desired.first(({ missed }) => missed === true, signal)
  await hub.patchDesired(moduleId, { live: true })
  await desired.first(({ live }) => live === true, signal)
  assert.deepEqual(await hub.invoke(moduleId, 'echo', 'x'), { status: 200, payload: { echo: 'x' } })
  client.report({ back: true })
  await hub.reportedMatches(moduleId, ({ back }) => back === true, signal)
})

test('trap 2: a twin request whose answer is lost does not wait for ever', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  hub.faults.twinGet = 'drop'
  const client = device.client()
  const connection = connectionOf(client)
  await once(hub.events, 'request', { signal })
  assert.equal(client.connected, false)

  hub.faults.twinGet = undefined
  await connection.first((connected) => connected, signal)
  hub.faults.reported = 'drop'
  client.report({ step: 1 })
  await once(hub.events, 'request', { signal })
  hub.faults.reported = undefined

  await hub.reportedMatches(moduleId, ({ step }) => step === 1, signal)
})

test('trap 3: a twin read that fails with an empty body is repeated', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  hub.faults.twinGet = 500
  const client = device.client()
  const connection = connectionOf(client)

  const { reason } = await device.log.next(isRetry, signal)
  hub.faults.twinGet = undefined

  assert.match(String(reason), /500/)
  await connection.first((connected) => connected, signal)
})

test('trap 4: a report refused with an empty body is not taken for done', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  await hub.connected(moduleId, signal)
  hub.faults.reported = 400
  client.report({ state: 'new' })

  const { reason } = await device.log.next(({ msg }) => msg === 'reported properties not taken', signal)
  assert.match(String(reason), /400/)
  assert.equal(hub.twin(moduleId).reported.state, undefined)
  hub.faults.reported = undefined

  await hub.reportedMatches(moduleId, ({ state }) => state === 'new', signal)
})

test('trap 5: when the token cannot be renewed the connection stays, and the renewal is repeated', async (t) => {
  const { hub, workload, signal, ...device } = await anEdgeDevice(t)
  const client = device.client({ timings: { tokenRenewAfterMs: 50 } })
  const connection = connectionOf(client)
  workload.faults.only = 'sign'
  await connection.first((connected) => connected, signal)
  workload.faults.status = 500
  const connects = hub.connects.length

  for (const _attempt of [1, 2]) await device.log.next(({ msg }) => msg.startsWith('token not renewed'), signal)
  assert.equal(client.connected, true)
  workload.faults.status = undefined
  await once(hub.events, 'connect', { signal })

  assert.ok(hub.connects.length > connects)
  assert.deepEqual(connection.values, [true])
})

test('trap 5: a token that expires unrenewed costs the connection, not the process', async (t) => {
  const { hub, workload, signal, ...device } = await anEdgeDevice(t)
  const client = device.client({ timings: { tokenLifeMs: 2_000, tokenRenewAfterMs: 100 } })
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)
  workload.faults.status = 500

  await connection.first((connected) => !connected, signal)
  await device.log.next(isRetry, signal)
  workload.faults.status = undefined

  await once(hub.events, 'connect', { signal })
  await hub.connected(moduleId, signal)
})

test('trap 6: a module that starts before the hub and the workload API waits for both', async (t) => {
  const { hub, workload, signal, ...device } = await anEdgeDevice(t)
  await Promise.all([hub.stop(), workload.stop()])
  const client = device.client()
  const connection = connectionOf(client)

  await device.log.next(({ reason }) => /trust-bundle/.test(String(reason)), signal)
  await workload.start()
  await device.log.next(({ reason }) => /ECONNREFUSED/.test(String(reason)) && !/workload/.test(String(reason)), signal)
  assert.equal(client.connected, false)
  await hub.start()

  await connection.first((connected) => connected, signal)
})

test('trap 7: a long outage is outlasted, attempt by attempt', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client({ timings: { reconnect: { minimumMs: 1, maximumMs: 2 } } })
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)
  await hub.stop()

  for (let attempt = 0; attempt < 25; attempt++) await device.log.next(isRetry, signal)
  await hub.start()

  await hub.connected(moduleId, signal)
  assert.equal((await hub.invoke(moduleId, 'echo', 1)).status, 200)
})

test('trap 8: a module without methods and listeners reconnects too', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  device.client({ methods: {} })
  await hub.connected(moduleId, signal)

  hub.cut(moduleId)
  await once(hub.events, 'connect', { signal })

  await hub.connected(moduleId, signal)
})

test('trap 9: the keep-alive option leaves the trust bundle in force', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  device.client({ timings: { keepAliveSeconds: 17 } })

  await hub.connected(moduleId, signal)

  assert.equal(hub.connects[0]?.keepAliveSeconds, 17)
})

test('trap 9: a hub with a certificate of another authority is not spoken to', async (t) => {
  const { signal, ...device } = await anEdgeDevice(t)
  const certificates = await createCertificateAuthority('Stranger')
  const stranger = createEdgeHub({ iotHubHost, deviceId, modules: {}, certificates })
  await stranger.start()
  t.after(() => stranger.stop())
  device.client({ environment: device.environment(stranger.gatewayHost) })

  const { reason } = await device.log.next(isRetry, signal)

  assert.match(String(reason), /certificate/)
  assert.equal(stranger.connects.length, 0)
})

test('trap 10: desired patches missed while away arrive with the next connection', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  await hub.patchDesired(moduleId, { kept: 1, changed: 1, removed: 1 })
  const desired = desiredOf(device.client())
  await desired.first(({ removed }) => removed === 1, signal)

  await hub.stop()
  assert.equal((await hub.patchDesired(moduleId, { changed: 2, removed: null })).delivered, false)
  await hub.start()

  const whole = await desired.first(({ changed }) => changed === 2, signal)
  assert.deepEqual(whole, { $version: 3, kept: 1, changed: 2 })
})

test('trap 11: a desired array replaces the old one and is not merged by index', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const desired = desiredOf(device.client())
  await hub.connected(moduleId, signal)

  await hub.patchDesired(moduleId, { repositories: ['a', 'b', 'c'] })
  await hub.patchDesired(moduleId, { repositories: ['only'] })

  const { repositories } = await desired.first(({ $version }) => $version === 3, signal)
  assert.deepEqual(repositories, ['only'])
})

test('trap 12: only the latest state is reported after an outage, and nothing older lands after it', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  await hub.connected(moduleId, signal)
  client.report({ step: 0 })
  await hub.reportedMatches(moduleId, ({ step }) => step === 0, signal)
  const steps: unknown[] = []
  hub.events.on('reported', () => steps.push(hub.twin(moduleId).reported.step))

  await hub.stop()
  for (const step of [1, 2, 3]) client.report({ step })
  hub.faults.reported = 'drop'
  await hub.start()
  await once(hub.events, 'request', { signal })
  for (const step of [4, 5]) client.report({ step })
  hub.faults.reported = undefined
  await hub.reportedMatches(moduleId, ({ step }) => step === 5, signal)

  assert.deepEqual(steps, steps.toSorted())
  assert.ok(steps.every((step) => Number(step) >= 3))
})

test('trap 13: a connection taken over by a second process is retried ever more slowly', async (t) => {
  const { signal, ...device } = await anEdgeDevice(t)
  const timings = { reconnect: { minimumMs: 4, maximumMs: 256 } }
  device.client({ timings })
  device.client({ timings })

  const { delayMs } = await device.log.next(({ delayMs }) => Number(delayMs) >= 128, signal)

  assert.ok(Number(delayMs) <= 256)
  const delays = device.log.lines.filter(isRetry).length
  assert.ok(delays <= 2 * 8, `${delays} attempts, two processes doubling from 4 ms need seven each`)
})

test('trap 14: a desired patch lost while the token is renewed is found', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client({ timings: { tokenRenewAfterMs: 300 } })
  const desired = desiredOf(client)
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)

  // The module says DISCONNECT to come back with the new token.
  await once(hub.events, 'disconnect', { signal })
  const { delivered } = await hub.patchDesired(moduleId, { lost: true })

  assert.equal(delivered, false)
  await desired.first(({ lost }) => lost === true, signal)
  assert.deepEqual(connection.values, [true])
})

test('trap 15: a line that died silently is noticed and replaced', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const line = await createLine(hub.port)
  t.after(() => line.close())
  const client = device.client({
    environment: device.environment(line.address),
    timings: { keepAliveSeconds: 1, connectMs: 300 }
  })
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)

  line.hush()
  await connection.first((connected) => !connected, signal)
  await device.log.next(({ reason }) => /connect/.test(String(reason)), signal)
  line.restore()

  await once(hub.events, 'connect', { signal })
  await hub.connected(moduleId, signal)
})

test('trap 15: a hub that accepts and says nothing is given up', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  hub.faults.hang = true
  device.client({ timings: { connectMs: 100 } })

  await device.log.next(isRetry, signal)
  hub.faults.hang = undefined

  await hub.connected(moduleId, signal)
})

test('trap 16: a connection cut while the methods are registered is retried', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  hub.faults.cutOnSubscribe = methodsFilter
  device.client()

  await device.log.next(isRetry, signal)
  hub.faults.cutOnSubscribe = undefined

  await hub.connected(moduleId, signal)
  assert.equal((await hub.invoke(moduleId, 'echo', 1)).status, 200)
})
