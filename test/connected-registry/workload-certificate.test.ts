import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { basicAuthorization } from '../fixtures/push-image.ts'
import { client, clientToken, runApp } from './running-app.ts'
import { aSimulatedDevice, moduleId } from './simulated-device.ts'

async function aDevice(t: TestContext) {
  const device = await aSimulatedDevice(t)
  await device.hub.setDesired(moduleId, { clientTokens: [await clientToken()] } as never)
  return device
}

async function ask(port: number, path: string, ca: string) {
  const headers = { authorization: basicAuthorization(client.name, client.password) }
  const [answer] = await once(request({ host: '127.0.0.1', port, path, ca, headers, agent: false }).end(), 'response')
  const { subjectaltname } = (answer.socket as TLSSocket).getPeerCertificate()
  answer.resume()
  return { status: answer.statusCode, subjectaltname }
}

test('asked to, the registry speaks HTTPS by a certificate of the runtime, for the name of the device', async (t) => {
  const device = await aDevice(t)
  const app = await runApp(t, { edge: device.environment, certificateSource: 'workload' })
  await app.line(({ msg }) => msg === 'server certificate obtained')

  const { status, subjectaltname } = await ask(app.port, '/healthz', device.certificates.certificate)

  assert.equal(status, 200)
  assert.equal(subjectaltname, `IP Address:127.0.0.1, DNS:${moduleId}`)
})

test('as long as the runtime gives none that can be used nobody gets in, and the status says why', async (t) => {
  const device = await aDevice(t)
  const faults = device.workload.faults
  Object.assign(faults, { only: 'certificate/server', status: 500 })
  const app = await runApp(t, { edge: device.environment, certificateSource: 'workload' })

  await app.line(({ code, msg }) => code === 'CERTIFICATE_AWAITED' && msg === 'status detail appeared')
  await assert.rejects(ask(app.port, '/healthz', device.certificates.certificate))
  faults.status = undefined
  await app.line(({ code, msg }) => code === 'CERTIFICATE_AWAITED' && msg === 'status detail went away')

  assert.equal((await ask(app.port, '/healthz', device.certificates.certificate)).status, 200)
})

test('without IoT Edge there is no such certificate, and the start says so', async (t) => {
  await assert.rejects(runApp(t, { certificateSource: 'workload' }), /ACR_REGISTRY_CERTIFICATE_SOURCE: .* IoT Edge/)
})
