import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createCloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'
import { createCertificateAuthority } from '../simulators/edge-hub/certificates.ts'
import { connectionString } from '../simulators/world.ts'
import { aProcess } from './module-under-test.ts'
import { runApp } from './running-app.ts'
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
  return { folder, connection: connectionString(syncToken, cloud.loginServer, 'https') }
}

test('a parent is trusted by ca.crt of the certificate volume, and without it by nobody', async (t) => {
  const { folder, connection } = await aParent(t)
  const settings = { connectionString: connection, repositories: ['plant/app'] }

  const trusting = await runApp(t, { settings, certificateVolume: folder })
  const other = await runApp(t, { settings })

  const appeared = (app: typeof other) => app.line(({ msg }) => msg === 'status detail appeared')
  // The parent was reached: it says that it has no such repository.
  assert.equal((await appeared(trusting)).code, 'NAME_UNKNOWN')
  assert.equal((await appeared(other)).code, 'UNTRUSTED')
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
