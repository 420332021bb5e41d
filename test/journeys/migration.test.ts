import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readConfig as readProxyConfig } from '../../modules/api-proxy/src/config.ts'
import { readConfig } from '../../modules/connected-registry/src/config.ts'
import { parseSettings } from '../../modules/connected-registry/src/settings.ts'
import { manifestProblems } from '../../scripts/deployment/validate.ts'
import { helloWorld } from '../fixtures/demo-images.ts'
import { deployedModules } from '../fixtures/deployed-modules.ts'
import { type Manifest, microsoftLowerManifest, microsoftManifest } from '../fixtures/microsoft-manifest.ts'
import { skipWithout } from '../fixtures/tools.ts'
import type { CloudToken } from '../simulators/cloud-registry/tokens.ts'
import { runtimeVariables } from '../simulators/edge-hub/module-environment.ts'

/** What programs/migrated-device.ts is told. */
export interface MigratedDevice {
  readonly folder: string
  readonly manifest: Manifest
  readonly registry: string
  readonly syncToken: CloudToken
  readonly clientToken: CloudToken
  readonly image: string
}

const run = promisify(execFile)
const registry = 'contoso'
const names = { 'connected-registry': 'acr/connected-registry:0.8.0', 'api-proxy': 'azureiotedge-api-proxy:1.1.2' }
const rights = ['content/read', 'metadata/read']
const readHello = rights.map((right) => `repositories/hello-world/${right}`)
const syncToken = {
  name: 'factory-sync',
  password: randomBytes(24).toString('base64'),
  actions: ['hello-world', 'demo/app'].flatMap((name) => rights.map((right) => `repositories/${name}/${right}`))
}
const clientToken = { name: 'factory-client', password: randomBytes(24).toString('base64'), actions: readHello }

const original = microsoftManifest({
  registry,
  syncToken,
  connectionString: connectionTo(`${registry}.westeurope.data.azurecr.io`)
})

test("of a manifest for ACR's connected registry two image names change, and the repositories are added", () => {
  const before = leaves(original)

  const changed = [...leaves(migrated(original))].filter(([path, value]) => before.get(path) !== value)

  assert.deepEqual(
    changed.map(([path]) => path.split('.modules.')[1]),
    [
      'connected-registry.settings.image',
      'connected-registry.env.ACR_REGISTRY_REPOSITORIES.value',
      'IoTEdgeAPIProxy.settings.image'
    ]
  )
  assert.deepEqual(manifestProblems(migrated(original)), [])
})

test('a device with such a manifest is in sync, and serves the clients that its cloud knows, by port 8000', {
  skip: skipWithoutMounts()
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'migration-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const device: MigratedDevice = {
    folder,
    manifest: migrated(original),
    registry,
    syncToken,
    clientToken,
    image: 'hello-world:latest'
  }
  const program = fileURLToPath(new URL('programs/migrated-device.ts', import.meta.url))

  const { stdout } = await run('unshare', ['--net', '--mount', process.execPath, program, JSON.stringify(device)], {
    timeout: 90_000
  })

  const { digest, kept } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  assert.equal(digest, helloWorld().manifest.descriptor.digest)
  assert.ok(kept.includes('state.json'), kept.join())
})

test('the modules take the environment of a manifest for a lower layer', () => {
  const lower = microsoftLowerManifest({ syncToken, connectionString: connectionTo('$IOTEDGE_PARENTHOSTNAME:8000') })
  const [registryModule, proxyModule] = deployedModules(lower).map(({ name, environment }) => ({
    ...runtimeVariables({
      module: name,
      deviceId: 'layer4',
      iotHubHost: 'hub',
      gatewayHost: 'layer4',
      parentHost: 'layer5',
      workloadUri: 'unix:///w.sock'
    }),
    ...environment
  }))

  const config = readConfig(registryModule)
  const result = parseSettings(config.settings, config.environment)
  const proxy = readProxyConfig(proxyModule)

  assert.deepEqual(manifestProblems(lower), [])
  assert.equal(result.kind === 'settings' && result.settings.connection?.gatewayEndpoint, 'layer5:8000')
  assert.equal(proxy.port, 8000)
})

/** The same deployment with our modules. */
function migrated(manifest: Manifest): Manifest {
  const copy = structuredClone(manifest)
  const { 'connected-registry': registryModule, IoTEdgeAPIProxy: proxyModule } =
    copy.modulesContent.$edgeAgent['properties.desired'].modules
  registryModule.settings.image = registryModule.settings.image.replace(
    names['connected-registry'],
    'connected-registry:0.1.0-amd64'
  )
  proxyModule.settings.image = proxyModule.settings.image.replace(
    names['api-proxy'],
    'connected-registry-api-proxy:0.1.0-amd64'
  )
  registryModule.env.ACR_REGISTRY_REPOSITORIES = { value: 'hello-world,demo/app' }
  return copy
}

function connectionTo(endpoint: string): string {
  return [
    'ConnectedRegistryName=factory',
    `SyncTokenName=${syncToken.name}`,
    `SyncTokenPassword=${syncToken.password}`,
    `ParentGatewayEndpoint=${endpoint}`,
    'ParentEndpointProtocol=https'
  ].join(';')
}

/** Every value by its path. */
function leaves(value: unknown, path = ''): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) return new Map([[path, value]])
  return new Map(Object.entries(value).flatMap(([key, item]) => [...leaves(item, `${path}.${key}`)]))
}

/** Why there can be no network and no mounts of a test's own, or false. */
function skipWithoutMounts(): string | false {
  const missing = skipWithout(['skopeo', 'unshare', 'mount', 'ip'])
  if (missing !== false) return missing
  try {
    execFileSync('unshare', ['--net', '--mount', 'true'], { stdio: 'pipe' })
    return false
  } catch (error) {
    return `no namespaces here: ${String((error as { stderr?: Buffer }).stderr).trim()}`
  }
}
