import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Authentication, type Credentials } from '@connected-registry/edge-module/authentication.ts'
import { readEdgeEnvironment } from '@connected-registry/edge-module/env.ts'
import { defaultTimings, type Timings } from '@connected-registry/edge-module/timings.ts'
import { verifySas } from '../simulators/edge-hub/sas.ts'
import { anEdgeDevice, deviceId, type EdgeDevice, iotHubHost, moduleId } from './edge-device.ts'

const resource = `${iotHubHost}/devices/${deviceId}/modules/${moduleId}`

function anAuthentication(t: TestContext, device: EdgeDevice, timings: Partial<Timings> = {}) {
  const environment = readEdgeEnvironment(device.variables('runtime'))!
  const authentication = new Authentication({
    environment,
    timings: { ...defaultTimings, signRetryMs: 10, ...timings },
    log: device.log.log
  })
  t.after(() => authentication.stop())
  return authentication
}

function expiryOf({ sharedAccessSignature }: Credentials, key: string): number {
  const outcome = verifySas(sharedAccessSignature, { key, resource })
  assert.ok('expiry' in outcome, JSON.stringify(outcome))
  return outcome.expiry
}

test('the token is for this module, signed with its key, and good for an hour', async (t) => {
  const device = await anEdgeDevice(t)
  const before = Date.now()

  const credentials = await anAuthentication(t, device).getDeviceCredentials()

  const expiry = expiryOf(credentials, device.key)
  assert.ok(expiry >= before + 3_598_000 && expiry <= Date.now() + 3_600_000)
  assert.equal(credentials.gatewayHostName, device.hub.gatewayHost)
})

test('a token in use is renewed, and the new one announced', async (t) => {
  const device = await anEdgeDevice(t)
  const authentication = anAuthentication(t, device, { tokenRenewAfterMs: 20 })
  await authentication.getDeviceCredentials()

  for (const _renewal of [1, 2]) {
    const [renewed] = (await once(authentication, 'newTokenAvailable', { signal: device.signal })) as [Credentials]
    expiryOf(renewed, device.key)
  }
})

test('a renewal that fails is repeated until it succeeds', async (t) => {
  const device = await anEdgeDevice(t)
  const authentication = anAuthentication(t, device, { tokenRenewAfterMs: 20 })
  await authentication.getDeviceCredentials()
  device.workload.faults.status = 500

  for (const _failure of [1, 2, 3])
    await device.log.next(({ msg }) => msg === 'token not renewed, will try again', device.signal)
  device.workload.faults.status = undefined

  await once(authentication, 'newTokenAvailable', { signal: device.signal })
})

test('what is stopped while it waits for a signature rejects, and renews nothing', async (t) => {
  const device = await anEdgeDevice(t)
  const authentication = anAuthentication(t, device, { tokenRenewAfterMs: 1 })
  device.workload.faults.hang = true
  const asked = authentication.getDeviceCredentials()
  await once(device.workload.events, 'request', { signal: device.signal })

  authentication.stop()

  await assert.rejects(asked, /sign: no answer/)
  assert.equal(device.workload.requests.length, 1)
})

test('credentials that cannot be had are an error for the caller', async (t) => {
  const device = await anEdgeDevice(t)
  device.workload.faults.status = 500
  const told = Promise.withResolvers<Error | undefined>()

  anAuthentication(t, device).getDeviceCredentials(told.resolve)

  assert.match(String((await told.promise)?.message), /sign: answered 500/)
})
