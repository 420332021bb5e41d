import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../simulators/edge-hub/edge-hub.ts'
import { createLine } from '../simulators/edge-hub/line.ts'
import { methodsFilter } from '../simulators/edge-hub/requests.ts'
import { anEdgeDevice, connectionOf, desiredOf, deviceId, iotHubHost, moduleId } from './edge-device.ts'

// Sixteen behaviours of edgeHub and of Microsoft's SDK that end a naive module, or leave it deaf. The SDK stays as it
// is; each test brings its trap about and shows the module on its feet.

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

test('trap 5: when the token cannot be renewed the connection stays, and the renewal is repeated', async (t) => {
  const { hub, workload, signal, ...device } = await anEdgeDevice(t)
  workload.faults.only = 'sign'
  // As soon as the first token is signed, however long it takes to connect with it.
  workload.events.on('request', function onRequest({ call }) {
    if (call !== 'sign') return
    workload.events.off('request', onRequest)
    setImmediate(() => {
      workload.faults.status = 500
    })
  })
  const client = device.client({ timings: { tokenRenewAfterMs: 50 } })
  const connection = connectionOf(client)
  await connection.first((connected) => connected, signal)
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
