import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import type { ModuleClient } from '@connected-registry/edge-module/module-client.ts'
import type { Desired } from '@connected-registry/edge-module/twin.ts'
import { anEdgeDevice, moduleId, told } from './edge-device.ts'

function desiredOf(client: ModuleClient) {
  const desired = told<Desired>()
  client.onDesired(desired.listener)
  return desired
}

for (const form of ['runtime', 'connectionString'] as const)
  test(`a module with a ${form} environment connects, gets its twin, reports and answers methods`, async (t) => {
    const { hub, workload, signal, ...device } = await anEdgeDevice(t)
    await hub.patchDesired(moduleId, { mode: 'ReadOnly' })
    const client = device.client({ environment: readEdgeEnvironment(device.variables(form))! })
    const desired = desiredOf(client)
    client.report({ version: '0.1.0' })

    await desired.first(({ mode }) => mode === 'ReadOnly', signal)
    await hub.reportedMatches(moduleId, ({ version }) => version === '0.1.0', signal)

    assert.deepEqual(await hub.invoke(moduleId, 'echo', 'hello'), { status: 200, payload: { echo: 'hello' } })
    const calls = workload.requests.map(({ call }) => call)
    assert.deepEqual(calls, form === 'runtime' ? ['trust-bundle', 'sign'] : [])
  })

test('the desired document is delivered whole after each patch, and at once to a late listener', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  await hub.patchDesired(moduleId, { a: { x: 1, y: 1 } })
  const client = device.client()
  const desired = desiredOf(client)
  await hub.connected(moduleId, signal)
  await desired.first(({ $version }) => $version === 2, signal)

  await hub.patchDesired(moduleId, { a: { x: null } })
  await desired.first(({ $version }) => $version === 3, signal)
  await hub.setDesired(moduleId, { b: 1 })
  await desired.first(({ $version }) => $version === 4, signal)

  assert.deepEqual(desired.values, [
    { $version: 2, a: { x: 1, y: 1 } },
    { $version: 3, a: { y: 1 } },
    { $version: 4, b: 1 }
  ])
  assert.deepEqual(desiredOf(client).values, [{ $version: 4, b: 1 }])
})

test('an unchanged document is not delivered again after a reconnect', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  const desired = desiredOf(client)
  const connection = told<boolean>()
  client.onConnection((value) => connection.listener(value))
  await connection.first((connected) => connected, signal)

  hub.cut(moduleId)
  await once(hub.events, 'connect', { signal })
  await hub.connected(moduleId, signal)
  client.report({ again: 1 })
  await hub.reportedMatches(moduleId, ({ again }) => again === 1, signal)

  assert.deepEqual(connection.values, [true, false, true])
  assert.equal(desired.values.length, 1)
})

test('a patch after a gap makes the module read the twin', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  const desired = desiredOf(client)
  await desired.first(({ $version }) => $version === 1, signal)
  await hub.connected(moduleId, signal)
  const read = once(hub.events, 'request', { signal })

  await hub.send(moduleId, '$iothub/twin/PATCH/properties/desired/?$version=9', '{"wrong":1,"$version":9}')

  assert.deepEqual(await read, [moduleId, 'twinGet'])
  assert.deepEqual(desired.values, [{ $version: 1 }])
})

for (const topic of ['$iothub/twin/PATCH/properties/desired/?$version=2', '$iothub/methods/POST/?$rid=1'])
  test(`a message on ${topic} that is not understood costs the connection, not the process`, async (t) => {
    const { hub, signal, ...device } = await anEdgeDevice(t)
    const client = device.client()
    await hub.connected(moduleId, signal)

    await hub.send(moduleId, topic, 'not JSON')
    await once(hub.events, 'connect', { signal })

    await hub.connected(moduleId, signal)
    client.report({ alive: true })
    await hub.reportedMatches(moduleId, ({ alive }) => alive === true, signal)
  })

test('reported properties of an earlier life are removed, and a lost twin is filled again', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const earlier = device.client()
  earlier.report({ mode: 'ReadWrite', sync: { pending: 5, last: 'never' } })
  await hub.reportedMatches(moduleId, ({ mode }) => mode === 'ReadWrite', signal)
  await earlier.stop()

  const client = device.client()
  client.report({ sync: { pending: 0 } })

  const reported = await hub.reportedMatches(moduleId, ({ mode }) => mode === undefined, signal)
  assert.deepEqual(reported.sync, { pending: 0 })
})

test('a state larger than the hub takes is cut, and taken', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  client.report({ small: 1, large: Array.from({ length: 40 }, () => 'x'.repeat(1_000)), 'a.b': 1 })

  const reported = await hub.reportedMatches(moduleId, ({ small }) => small === 1, signal)

  assert.equal(reported.truncated, true)
  assert.equal(reported.large, undefined)
})

test('a method that throws answers 500, one that is unknown gets no answer', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const fail = async () => {
    throw new Error('no parent')
  }
  device.client({ methods: { fail } })
  await hub.connected(moduleId, signal)

  assert.deepEqual(await hub.invoke(moduleId, 'fail'), { status: 500, payload: { message: 'no parent' } })
  assert.equal((await hub.invoke(moduleId, 'unknown', null, 100)).status, 504)
})

test('a listener that throws ends neither the connection nor the other listeners', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const client = device.client()
  client.onDesired(() => {
    throw new Error('a mistake')
  })
  const desired = desiredOf(client)
  await hub.connected(moduleId, signal)

  await hub.patchDesired(moduleId, { a: 1 })

  await desired.first(({ a }) => a === 1, signal)
  assert.ok(device.log.lines.some(({ level, msg }) => level === 'error' && msg.includes('listener')))
})

test('no token and no key is in the log', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  hub.faults.denyConnect = 5
  const variables = device.variables('connectionString')
  device.client({ environment: readEdgeEnvironment(variables)! })
  await device.log.next(({ msg }) => msg.includes('will try again'), signal)
  hub.faults.denyConnect = undefined
  await hub.connected(moduleId, signal)

  const text = JSON.stringify(device.log.lines)
  const [, key = ''] = /SharedAccessKey=(.+)$/.exec(variables.EdgeHubConnectionString!) ?? []
  assert.equal(text.includes('SharedAccessSignature'), false)
  assert.equal(text.includes(key), false)
})

test('a client is stopped at once, whether it is connecting, waiting for a token or not started', async (t) => {
  const { hub, workload, signal, ...device } = await anEdgeDevice(t)
  await device.client().stop()

  hub.faults.hang = true
  const connecting = device.client({ timings: { connectMs: 60_000, requestMs: 60_000 } })
  await once(workload.events, 'request', { signal })
  await connecting.stop()

  workload.faults.hang = true
  const waiting = device.client({ timings: { connectMs: 60_000 } })
  await once(workload.events, 'request', { signal })
  await waiting.stop()

  assert.deepEqual([connecting.connected, waiting.connected], [false, false])
})

test('a method still at work keeps nothing alive once the client is stopped', async (t) => {
  const { hub, signal, ...device } = await anEdgeDevice(t)
  const working = Promise.withResolvers<void>()
  const work = () => {
    working.resolve()
    return new Promise<never>(() => undefined)
  }
  const client = device.client({ methods: { work }, timings: { methodMs: 3_600_000 } })
  await hub.connected(moduleId, signal)
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const answer = hub.invoke(moduleId, 'work', null, 50)
  await working.promise
  assert.deepEqual(await answer, { status: 504 })

  await client.stop()
  await hub.stop()

  assert.equal(timers(), 0)
})

test('the SDK is loaded by a started client and by nothing before', async (t) => {
  const { signal, ...device } = await anEdgeDevice(t)
  const program = new URL('./loaded-modules.ts', import.meta.url).pathname

  const child = spawn(process.execPath, [program], {
    env: device.variables('runtime'),
    signal,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = once(child, 'exit')
  const loaded = (await json(child.stdout)) as Record<'before' | 'after', string[]>
  await ended

  assert.deepEqual(loaded.before, [])
  assert.ok(loaded.after.includes('azure-iot-device-mqtt'), loaded.after.join())
})
