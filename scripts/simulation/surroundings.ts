import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fillCloud } from '../../test/fixtures/fill-cloud.ts'
import { createCloudRegistry } from '../../test/simulators/cloud-registry/cloud-registry.ts'
import { createCertificateAuthority } from '../../test/simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../../test/simulators/edge-hub/edge-hub.ts'
import { createWorkloadApi } from '../../test/simulators/edge-hub/workload-api.ts'
import { cloudTokens, connectionString, demoSettings } from '../../test/simulators/world.ts'
import { demoRepositories } from './arguments.ts'

// What the two modules of one device meet: a cloud, edgeHub and the workload API, where the modules themselves run elsewhere.
// compose.yaml starts this in a container of its own; its ports and host names are fixed there.

const socketPath = '/run/iotedge/workload.sock'
const authorityFile = '/run/iotedge/ca.pem'
const clientToken = { name: 'line-1', password: process.env.CLIENT_PASSWORD || randomBytes(9).toString('base64url') }
const syncToken = {
  name: 'siteregistry',
  password: process.env.CLOUD_PASSWORD || randomBytes(24).toString('base64url')
}

const device = { deviceId: 'edge-device', iotHubHost: 'simulated.azure-devices.net' }
const key = () => ({ key: randomBytes(32).toString('base64') })
const modules = { 'connected-registry': key(), 'api-proxy': key() }
const certificates = await createCertificateAuthority()

const cloud = createCloudRegistry({
  ...{ host: 'cloud', loginPort: 5000, dataPort: 5001, isRealmAsked: true },
  tokens: cloudTokens(syncToken, demoRepositories, 'ReadOnly')
})
const hub = createEdgeHub({ host: 'edge-device', port: 8883, ...device, modules, certificates })
const workload = createWorkloadApi({ socketPath, modules, certificates })

fillCloud(cloud.contents)
await mkdir(dirname(socketPath), { recursive: true })
await writeFile(authorityFile, certificates.trustBundle)
await Promise.all([cloud.start(), hub.start(), workload.start()])
const connection = connectionString(syncToken, cloud.loginServer)
await hub.setDesired('connected-registry', demoSettings(connection, demoRepositories, clientToken))

const client = `${clientToken.name}:${clientToken.password}`
console.log(`The cloud and edgeHub are there. What the site has by now, and a push into the cloud:

  skopeo copy --all --src-tls-verify=false --src-creds ${client} docker://127.0.0.1:8000/demo/app:1.0 oci:app:1.0
  skopeo copy --dest-tls-verify=false --dest-creds admin:${syncToken.password} oci:app:1.0 docker://127.0.0.1:5000/demo/app:2.0
  curl -s -u ${client} http://127.0.0.1:8080/status
  docker compose cp simulators:${authorityFile} ca.pem     # of the API proxy's certificate, made out to edge-device
`)

await Promise.race(['SIGTERM', 'SIGINT'].map((signal) => once(process, signal)))
await Promise.all([cloud.stop(), hub.stop(), workload.stop()])
await rm(socketPath, { force: true })
