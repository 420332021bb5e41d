import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { anEdgeDevice, connectionOf, desiredOf, moduleId } from './edge-device.ts'

// Sixteen behaviours of edgeHub and of Microsoft's SDK that end a naive module, or leave it deaf. The SDK stays as it
// is; each test brings its trap about and shows the module on its feet.

const isRetry = ({ msg }: { msg: string }) => msg.includes('will try again')

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
