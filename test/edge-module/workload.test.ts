import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createWorkload, WorkloadError } from '@connected-registry/edge-module/workload.ts'
import fc from 'fast-check'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { createWorkloadApi } from '../simulators/edge-hub/workload-api.ts'

const key = Buffer.from('the key of the module').toString('base64')
const certificates = await createCertificateAuthority()

async function aWorkload(t: TestContext, { unix = false, moduleId = 'gateway', timeoutMs = 5_000 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'workload-'))
  t.after(() => rm(folder, { recursive: true }))
  const socket = unix ? { socketPath: join(folder, 'a socket.sock') } : {}
  const api = createWorkloadApi({ ...socket, modules: { gateway: { key } }, certificates })
  await api.start()
  t.after(() => api.stop())
  const workloadUri = api.uri.replaceAll(' ', '%20')
  return { api, workload: createWorkload({ workloadUri, moduleId, generationId: 'g/1' }, { timeoutMs }) }
}

for (const unix of [true, false])
  test(`a server certificate is obtained over ${unix ? 'a unix socket' : 'http'}`, async (t) => {
    const { api, workload } = await aWorkload(t, { unix })

    const { certificate, privateKey, expiration } = await workload.serverCertificate('edge-01.site')

    const leaf = new X509Certificate(certificate)
    assert.equal(leaf.subjectAltName, 'DNS:edge-01.site, DNS:gateway')
    assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKey)))
    assert.ok(leaf.verify(new X509Certificate(certificates.certificate).publicKey))
    assert.equal(expiration.getTime(), leaf.validToDate.getTime())
    assert.match(
      api.requests[0]!.url,
      /^\/modules\/gateway\/genid\/g%2F1\/certificate\/server\?api-version=2020-07-07$/
    )
  })

test('the trust bundle is the authority of the device', async (t) => {
  const { workload } = await aWorkload(t)

  assert.equal(await workload.trustBundle(), certificates.certificate)
})

test('data is signed with the key of the module', async (t) => {
  const { workload } = await aWorkload(t)

  const signature = await workload.sign(Buffer.from('text'))

  assert.deepEqual(signature, createHmac('sha256', Buffer.from(key, 'base64')).update('text').digest())
})

test('a refusal names the call, the status and what the daemon said', async (t) => {
  const { workload } = await aWorkload(t, { moduleId: 'stranger' })

  await assert.rejects(workload.sign(Buffer.from('x')), (error: WorkloadError) => {
    assert.ok(error instanceof WorkloadError)
    assert.deepEqual([error.call, error.status], ['sign', 404])
    assert.match(error.message, /sign: answered 404: module not found: stranger/)
    return true
  })
})

test('a daemon that hangs is given up after the time-out', async (t) => {
  const { api, workload } = await aWorkload(t, { timeoutMs: 50 })
  api.faults.hang = true

  await assert.rejects(workload.trustBundle(), (error: WorkloadError) => {
    assert.equal(error.call, 'trust-bundle')
    assert.equal((error.cause as Error).name, 'TimeoutError')
    return true
  })
})

test('a call ends with its signal', async (t) => {
  const { api, workload } = await aWorkload(t)
  api.faults.hang = true
  const controller = new AbortController()
  api.events.once('request', () => controller.abort(new Error('enough')))

  await assert.rejects(
    workload.trustBundle(controller.signal),
    ({ cause }: Error) => (cause as Error).message === 'enough'
  )
})

test('a daemon that is not there is named with the reason', async () => {
  const workload = createWorkload({ workloadUri: 'unix:///nowhere/w.sock', moduleId: 'm', generationId: '1' })

  await assert.rejects(workload.trustBundle(), ({ cause }: Error) => (cause as NodeJS.ErrnoException).code === 'ENOENT')
})

test('an answer is taken as it should be, or refused as a WorkloadError, whatever it holds', async (t) => {
  const { api, workload } = await aWorkload(t)
  const field = fc.oneof(fc.jsonValue(), fc.constantFrom('-----BEGIN CERTIFICATE-----', '2026-11-21T00:00:00Z', 'AAAA'))
  const anyAnswer = fc.oneof(
    fc.string(),
    fc
      .record({ certificate: field, privateKey: field, expiration: field, digest: field })
      .map((body) => JSON.stringify(body))
  )

  await fc.assert(
    fc.asyncProperty(anyAnswer, async (body) => {
      api.faults.body = body
      for (const call of [workload.trustBundle(), workload.serverCertificate('x'), workload.sign(Buffer.from('x'))])
        await call.then(
          (value) => assert.ok(value),
          (error) => assert.ok(error instanceof WorkloadError)
        )
    }),
    { numRuns: 40 }
  )
})

test('an answer without end is not held', async (t) => {
  const { api, workload } = await aWorkload(t)
  api.faults.body = JSON.stringify({ certificate: `-----BEGIN CERTIFICATE-----${'x'.repeat(2 * 1024 * 1024)}` })

  await assert.rejects(workload.trustBundle(), WorkloadError)
})
