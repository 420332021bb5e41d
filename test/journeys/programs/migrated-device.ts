import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deployedModules } from '../../fixtures/deployed-modules.ts'
import { fillCloud } from '../../fixtures/fill-cloud.ts'
import { createCloudRegistry } from '../../simulators/cloud-registry/cloud-registry.ts'
import { createCertificateAuthority } from '../../simulators/edge-hub/certificates.ts'
import { createEdgeHub } from '../../simulators/edge-hub/edge-hub.ts'
import { runtimeVariables } from '../../simulators/edge-hub/module-environment.ts'
import { createWorkloadApi } from '../../simulators/edge-hub/workload-api.ts'
import { createModuleProcess, type ModuleProcess } from '../../simulators/module-process.ts'
import type { MigratedDevice } from '../migration.test.ts'

// A device with a cloud, in a network and with file systems of its own (`unshare --net --mount`): ports, host names and bound
// folders are those of the manifest. Says what it found as JSON in its last line.

const run = promisify(execFile)
const { folder, manifest, registry, syncToken, clientToken, image }: MigratedDevice = JSON.parse(process.argv[2] ?? '')
const device = { deviceId: 'edge-device', iotHubHost: 'contoso.azure-devices.net' }
const cloudHost = `${registry}.azurecr.io`
const dataHost = `${registry}.westeurope.data.azurecr.io`
const [registryModule, proxyModule] = deployedModules(manifest)
assert.ok(registryModule && proxyModule)

ownNetwork(['edge-device', registryModule.name, proxyModule.name, cloudHost, dataHost])
ownFolders()
for (const { source, destination } of registryModule.binds) {
  // What Microsoft's registry left there.
  mkdirSync(join(source, 'registry', 'docker', 'registry', 'v2'), { recursive: true })
  for (const path of [source, destination]) mkdirSync(path, { recursive: true })
  execFileSync('mount', ['--bind', source, destination])
}

const authority = await createCertificateAuthority()
const { certificate, privateKey } = await authority.issue({ names: [cloudHost, dataHost] })
const cloud = createCloudRegistry({
  host: cloudHost,
  loginPort: 443,
  dataHost,
  dataPort: 443,
  certificates: { cert: certificate, key: privateKey },
  tokens: [syncToken, clientToken]
})
const keys = [registryModule, proxyModule].map(({ name }) => [name, { key: randomBytes(32).toString('base64') }])
const modules = Object.fromEntries(keys)
const hub = createEdgeHub({ host: 'edge-device', port: 8883, ...device, modules, certificates: authority })
const workload = createWorkloadApi({ socketPath: join(folder, 'workload.sock'), modules, certificates: authority })
fillCloud(cloud.contents, { largeSize: 0 })
await Promise.all([cloud.start(), hub.start(), workload.start()])

const processes = [
  moduleProcess(registryModule, 'connected-registry', 'registry started'),
  moduleProcess(proxyModule, 'api-proxy', 'door opened')
] as const
try {
  await Promise.all(processes.map((module) => module.start()))
  await processes[0].line(
    ({ msg, artifacts }) => msg === 'iteration ended' && Number(artifacts) > 0,
    AbortSignal.timeout(60_000)
  )
  const digest = await pull(`edge-device:${proxyModule.ports['8000/tcp']}/${image}`)
  const kept = readdirSync(registryModule.binds[0]!.source)
  process.stdout.write(`${JSON.stringify({ digest, kept })}\n`)
} catch (error) {
  for (const { lines } of processes) process.stderr.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
  throw error
} finally {
  await Promise.all(processes.map((module) => module.stop()))
  await Promise.all([cloud.stop(), hub.stop(), workload.stop()])
}

/** With what the manifest and the runtime give it, and nothing else. */
function moduleProcess(
  { name, environment }: typeof registryModule & object,
  program: string,
  ready: string
): ModuleProcess {
  const given = { ...device, module: name, gatewayHost: 'edge-device', workloadUri: workload.uri }
  const main = new URL(`../../../modules/${program}/src/main.ts`, import.meta.url)
  return createModuleProcess({ name, main, ready, environment: { ...runtimeVariables(given), ...environment } })
}

/** By skopeo, which trusts the device's authority: the digest of what came. */
async function pull(reference: string): Promise<string> {
  const certificates = join(folder, 'certificates')
  mkdirSync(certificates)
  writeFileSync(join(certificates, 'ca.crt'), authority.trustBundle)
  const source = [`--src-cert-dir=${certificates}`, `--src-creds=${clientToken.name}:${clientToken.password}`]
  const layout = join(folder, 'pulled')
  await run('skopeo', ['copy', '--all', ...source, `docker://${reference}`, `oci:${layout}:1.0`], { timeout: 60_000 })
  return JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest
}

/** Each host has an address of the loopback. */
function ownNetwork(hosts: readonly string[]): void {
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
  const lines = ['127.0.0.1 localhost', ...hosts.map((host, at) => `127.0.1.${at + 1} ${host}`)]
  const file = join(folder, 'hosts')
  writeFileSync(file, `${lines.join('\n')}\n`)
  execFileSync('mount', ['--bind', file, '/etc/hosts'])
}

/** What is written below /home and /var is gone with this process. */
function ownFolders(): void {
  const layer = join(folder, 'layer')
  mkdirSync(layer)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', layer])
  for (const name of ['home', 'var']) {
    const [upper, work] = ['upper', 'work'].map((part) => join(layer, `${name}-${part}`)) as [string, string]
    for (const path of [upper, work]) mkdirSync(path)
    const options = `lowerdir=/${name},upperdir=${upper},workdir=${work}`
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', `/${name}`])
  }
  // Others' skopeo writes its cache meanwhile: the copy that an overlay makes of such a file may be torn.
  const cache = '/var/lib/containers/cache'
  mkdirSync(cache, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', cache])
}
