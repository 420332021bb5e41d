import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { connectionString } from '../simulators/world.ts'
import { aProcess } from './module-under-test.ts'
import { type LogLine, runApp } from './running-app.ts'
import { aSimulatedDevice } from './simulated-device.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'
import { syncToken } from './sync/parents.ts'

/** A parent that speaks https by a certificate of an authority that is in `folder`, as `ca.crt`. */
async function aParent(t: TestContext) {
  const authority = await createCertificateAuthority()
  const { certificate, privateKey } = await authority.issue({ names: ['127.0.0.1'] })
  const actions = ['repositories/plant/app/content/read', 'repositories/plant/app/metadata/read']
  const cloud = createCloudRegistry({
    tokens: [{ ...syncToken, actions }],
    certificates: { cert: certificate, key: privateKey }
  })
  await cloud.start()
  t.after(() => cloud.stop())
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'ca.crt'), authority.certificate)
  const connection = connectionString(syncToken, cloud.loginServer, 'https')
  return { folder, authority, settings: { connectionString: connection, repositories: ['plant/app'] }, connection }
}

const appeared = (code: string) => (line: LogLine) => line.msg === 'status detail appeared' && line.code === code

test('a parent is trusted by ca.crt of the certificate volume, and without it by nobody', async (t) => {
  const { folder, settings } = await aParent(t)

  const trusting = await runApp(t, { settings, certificateVolume: folder })
  const other = await runApp(t, { settings })

  // The parent was reached: it says that it has no such repository.
  await trusting.line(appeared('NAME_UNKNOWN'))
  await other.line(appeared('UNTRUSTED'))
})

test('a ca.crt that is replaced while the registry runs counts without a restart', async (t) => {
  const { folder, settings } = await aParent(t)
  const volume = await temporaryFolder()
  await writeFile(join(volume, 'ca.crt'), (await createCertificateAuthority()).certificate)
  const app = await runApp(t, { settings, certificateVolume: volume })
  await app.line(appeared('UNTRUSTED'))

  await copyFile(join(folder, 'ca.crt'), join(volume, 'new'))
  await rename(join(volume, 'new'), join(volume, 'ca.crt'))

  await app.line(appeared('NAME_UNKNOWN'))
})

test('a trust bundle that is another one counts without a restart, and the former one while the runtime does not answer', async (t) => {
  const { authority, settings } = await aParent(t)
  const device = await aSimulatedDevice(t)
  const app = await runApp(t, { edge: device.environment, settings, delays: { bundleMs: 10 } })
  await app.line(appeared('UNTRUSTED'))

  Object.assign(device.workload.faults, {
    only: 'trust-bundle',
    body: JSON.stringify({ certificate: authority.trustBundle })
  })
  await app.line(appeared('NAME_UNKNOWN'))
  const seen = app.lines.length
  Object.assign(device.workload.faults, { body: undefined, status: 500 })
  await app.line(({ msg }) => msg === 'trust bundle not obtained', seen)
  await once(device.workload.events, 'request')
  await once(device.workload.events, 'request')

  const told = (text: string) => app.lines.filter(({ msg }) => msg === text).length
  assert.deepEqual([told('other authorities trusted'), told('trust bundle not obtained')], [2, 1])
})

test('a parent is trusted by the authorities of the system, as the image asks Node to', async (t) => {
  const { folder, connection } = await aParent(t)
  const { module } = await aProcess(t, {
    NODE_USE_SYSTEM_CA: '1',
    SSL_CERT_FILE: join(folder, 'ca.crt'),
    SSL_CERT_DIR: folder,
    ACR_REGISTRY_DATA_VOLUME: join(await temporaryFolder(), 'data'),
    ACR_REGISTRY_CONNECTION_STRING: connection,
    ACR_REGISTRY_REPOSITORIES: 'plant/app'
  })

  await module.start()
  const { code } = await module.line(({ msg }) => msg === 'status detail appeared', t.signal)

  assert.equal(code, 'NAME_UNKNOWN')
  assert.equal(await module.stop(), 0)
})
