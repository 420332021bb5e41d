import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig as readProxyConfig } from '../modules/api-proxy/src/config.ts'
import { parseSettings as parseProxySettings } from '../modules/api-proxy/src/settings.ts'
import { hashPassword } from '../modules/connected-registry/src/access/passwords.ts'
import { parseSettings } from '../modules/connected-registry/src/settings.ts'
import { connectionStringVariables, runtimeVariables } from './simulators/edge-hub/module-environment.ts'

interface Module {
  readonly settings: { readonly image: string; readonly createOptions: CreateOptions }
}
interface CreateOptions {
  /** Seconds. */
  readonly StopTimeout?: number
  readonly HostConfig?: {
    readonly Binds?: readonly string[]
    readonly PortBindings?: Readonly<Record<string, readonly { readonly HostPort: string }[]>>
  }
}

const root = join(import.meta.dirname, '..')
const text = readFileSync(join(root, 'deployment.template.json'), 'utf8')
const { modulesContent } = JSON.parse(text)
const agent = modulesContent.$edgeAgent['properties.desired']
const modules: Readonly<Record<string, Module>> = agent.modules
const systemModules: Readonly<Record<string, Module>> = agent.systemModules

test('the device gets the module pair, each built from the folder of its name', () => {
  assert.deepEqual(Object.keys(modules).sort(), ['api-proxy', 'connected-registry'])
  for (const [name, { settings }] of Object.entries(modules)) {
    assert.equal(settings.image, `\${MODULES.${name}}`)
    assert.ok(existsSync(join(root, 'modules', name, 'module.json')))
  }
})

test('the versions are those that the schemas of agent and hub are published for', () => {
  assert.equal(agent.schemaVersion, '1.1')
  assert.equal(modulesContent.$edgeHub['properties.desired'].schemaVersion, '1.2')
  for (const { settings } of Object.values(systemModules)) assert.match(settings.image, /:1\.5$/)
})

test('the api-proxy is the only door: the registry publishes no port, and port 8000 leads to the proxy', () => {
  const published = Object.entries(modules).flatMap(([name, { settings }]) =>
    Object.entries(settings.createOptions.HostConfig?.PortBindings ?? {}).map(([port, [host]]) => [
      name,
      port,
      host?.HostPort
    ])
  )

  assert.deepEqual(published, [['api-proxy', '8000/tcp', '8000']])
})

test('the registry keeps its data on a volume', () => {
  assert.deepEqual(modules['connected-registry']?.settings.createOptions.HostConfig?.Binds, [
    'connected-registry:/var/acr/data'
  ])
})

test('a module that is told to stop has the time that it takes itself', () => {
  const templates = ['deployment.template.json', ...globSync('nested-edge/*.template.json', { cwd: root })]
  for (const path of templates) {
    const { modulesContent } = JSON.parse(readFileSync(join(root, path), 'utf8'))
    for (const [name, module] of Object.entries<Module>(modulesContent.$edgeAgent['properties.desired'].modules)) {
      const main = readFileSync(join(root, 'modules', name, 'src', 'main.ts'), 'utf8')
      const drainMs = Number(/drainTimeoutMs: ([\d_]+)/.exec(main)?.[1]?.replace('_', ''))
      assert.ok(Number(module.settings.createOptions.StopTimeout) * 1000 > drainMs, `${path}: ${name}`)
    }
  }
})

test('the desired properties of the registry are settings that it takes', async () => {
  const desired = modulesContent['connected-registry']['properties.desired']
  const connection =
    'ConnectedRegistryName=factory;SyncTokenName=sync;SyncTokenPassword=p;' +
    'ParentGatewayEndpoint=contoso.westeurope.data.azurecr.io;ParentEndpointProtocol=https'
  const filled = JSON.stringify(desired)
    .replace('$CONNECTED_REGISTRY_CONNECTION_STRING', connection)
    .replace('"$CLIENT_PASSWORD_HASH"', JSON.stringify(await hashPassword('secret', 12)).replaceAll('$', '$$$$'))

  const result = parseSettings(JSON.parse(filled), {})

  assert.equal(result.kind, 'settings', JSON.stringify(result))
})

test('the desired properties of the api-proxy are settings that it takes', () => {
  const result = parseProxySettings(modulesContent['api-proxy']['properties.desired'])

  assert.ok(result.settings)
  assert.deepEqual(result.problems, [])
})

test('each module has a section of desired properties whose keys a twin may hold', () => {
  for (const name of Object.keys(modules)) {
    const keys = keysOf(modulesContent[name]['properties.desired'])
    assert.notEqual(keys.length, 0)
    assert.deepEqual(
      keys.filter((key) => /[.$ ]/.test(key)),
      []
    )
  }
})

test('no secret stands in the template, and tools that expand it find one placeholder a line', () => {
  const secrets = Array.from(text.matchAll(/"(?:password|hash|connectionString)": "(.*?)"/g), ([, value]) => value)

  assert.equal(secrets.length, 3)
  for (const secret of secrets) assert.match(secret ?? '', /^\$[A-Z_]+$/)
  assert.deepEqual(
    text.split('\n').filter((line) => line.split('${').length > 2),
    []
  )
})

test('createOptions fit into the 4 KiB that the agent reads', () => {
  for (const { settings } of [...Object.values(modules), ...Object.values(systemModules)]) {
    assert.equal(typeof settings.createOptions, 'object')
    assert.ok(JSON.stringify(settings.createOptions).length <= 4096)
  }
})

test('the debug template is the same deployment, with debug images, a debugger on this device only, and more in the log', () => {
  const debug = readFileSync(join(root, 'deployment.debug.template.json'), 'utf8')

  const same = debug
    .replaceAll('.debug}', '}')
    .replaceAll('"Debug"', '"Information"')
    .replace(/,\s*"API_PROXY_TLS": \{ "value": "off" \}/, '')
    .replace(/ *"ExposedPorts": \{ "9229\/tcp": \{\} \},\n/, '')
    .replace(/ *"PortBindings": \{ "9229\/tcp": .*\n/, '')
    .replace(', "9229/tcp": {}', '')
    .replace(/,\s*"9229\/tcp": \[\{ "HostIp": "127.0.0.1", "HostPort": "9230" \}\]/, '')
  assert.notEqual(debug, text)
  assert.deepEqual(JSON.parse(same), JSON.parse(text))
  assert.equal(debug.match(/"9229\/tcp": \[\{ "HostIp": "127.0.0.1"/g)?.length, 2)
})

test('the debug door opens by plain HTTP where a simulator has no workload API, and by TLS on a device', () => {
  const debug = JSON.parse(readFileSync(join(root, 'deployment.debug.template.json'), 'utf8'))
  const { env } = debug.modulesContent.$edgeAgent['properties.desired'].modules['api-proxy']
  const given = Object.fromEntries(Object.entries(env as Variables).map(([name, { value }]) => [name, value]))
  const module = { module: 'api-proxy', deviceId: 'device', iotHubHost: 'hub', gatewayHost: 'gateway' }

  const simulated = readProxyConfig({
    ...given,
    ...connectionStringVariables({ ...module, key: 'a2V5', caFile: 'ca.pem' })
  })
  const onDevice = readProxyConfig({ ...given, ...runtimeVariables({ ...module, workloadUri: 'unix:///w.sock' }) })

  assert.equal(simulated.certificate.kind, 'off')
  assert.equal(onDevice.certificate.kind, 'workload')
})

type Variables = Readonly<Record<string, { readonly value: string }>>

function keysOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = Array.isArray(value) ? [] : Object.keys(value)
  return [...own, ...Object.values(value).flatMap(keysOf)]
}
