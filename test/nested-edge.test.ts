import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { childrenInForce } from '../modules/connected-registry/src/children-in-force.ts'
import { mergeSettings, parseSettings } from '../modules/connected-registry/src/settings.ts'
import { compileCache } from './simulators/module-process.ts'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'nested-edge')
const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'))

interface Layer {
  readonly name: string
  readonly mode: string
  readonly parent?: string
  readonly template: string
}

const { layers }: { readonly layers: readonly Layer[] } = read(join(folder, 'topology.json'))
const hash = `scrypt$15$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const variables = {
  CONTAINER_REGISTRY_SERVER: 'contoso.azurecr.io',
  PARENT_GATEWAY_ENDPOINT: 'contoso.westeurope.data.azurecr.io',
  LAYER5_SYNC_TOKEN_NAME: 'layer5-sync',
  LAYER5_SYNC_TOKEN_PASSWORD: 'five',
  LAYER4_SYNC_TOKEN_PASSWORD: 'four',
  LAYER3_SYNC_TOKEN_PASSWORD: 'three',
  LAYER4_SYNC_TOKEN_HASH: hash,
  LAYER3_SYNC_TOKEN_HASH: hash,
  CLIENT_PASSWORD_HASH: hash
}

test('the templates of all layers become manifests that the schemas accept', (t) => {
  const manifests = expandAll(t)

  assert.deepEqual(
    manifests.map(({ name }) => name),
    ['layer5', 'layer4', 'layer3']
  )
  for (const { text } of manifests) assert.doesNotMatch(text, /\$(?!upstream|edge|IOTEDGE_PARENTHOSTNAME|15|8|1|A)\w/)
})

test('only the first layer reaches the cloud: below it every image, the runtime too, and the parent come from above', (t) => {
  for (const { name, agent, registry } of expandAll(t)) {
    const images = Object.values({ ...agent.systemModules, ...agent.modules }).map(({ settings }) => settings.image)
    const [credentials] = Object.values(agent.runtime.settings.registryCredentials)
    const isFirst = name === layers[0]?.name

    const host = isFirst ? 'contoso.azurecr.io' : '$upstream:8000'
    for (const image of images) assert.ok(image.startsWith(`${host}/`), `${name}: ${image}`)
    assert.equal(credentials?.address, host)
    const endpoint = isFirst ? variables.PARENT_GATEWAY_ENDPOINT : '$IOTEDGE_PARENTHOSTNAME:8000'
    assert.ok(registry.connectionString.includes(`ParentGatewayEndpoint=${endpoint};ParentEndpointProtocol=https`))
    assert.ok(registry.connectionString.startsWith(`ConnectedRegistryName=${name};`))
    if (!isFirst) assert.deepEqual(Object.keys(registry), ['connectionString'])
  }
})

test('the module images have the version of the modules, and what a lower layer starts from is in its scope', (t) => {
  const [first] = expandAll(t)
  assert.ok(first)
  const versions = ['connected-registry', 'api-proxy'].map(
    (module) => read(join(root, 'modules', module, 'module.json')).image.tag.version
  )

  const [registry, proxy] = ['connected-registry', 'api-proxy'].map((name) => first.agent.modules[name]?.settings.image)
  assert.equal(registry, `contoso.azurecr.io/connected-registry:${versions[0]}`)
  assert.equal(proxy, `contoso.azurecr.io/connected-registry-api-proxy:${versions[1]}`)
  const images = Object.values({ ...first.agent.systemModules, ...first.agent.modules }).map(
    ({ settings }) => settings.image
  )
  for (const image of images) {
    const repository = image.slice(image.indexOf('/') + 1, image.lastIndexOf(':'))
    for (const child of first.children)
      assert.ok(child.repositories.includes(repository), `${child.name}: ${repository}`)
  }
})

test('the registries of the first twin are the layers of the topology, each below its parent, and none is refused', (t) => {
  const [first] = expandAll(t)
  assert.ok(first)
  const result = parseSettings(first.registry, {})
  assert.ok(result.kind === 'settings', JSON.stringify(result))

  const { children, refused } = childrenInForce(mergeSettings([result.settings]))

  assert.deepEqual(refused, [])
  assert.deepEqual(
    children.map(({ name, descendants }) => [name, ...descendants]),
    [layers.slice(1).map(({ name }) => name)]
  )
  assert.deepEqual(
    first.children.map(({ name, mode, parent }) => ({ name, mode, parent })),
    layers.slice(1).map(({ name, mode, parent }) => ({ name, mode, parent }))
  )
})

interface Manifest {
  readonly name: string
  readonly text: string
  readonly agent: Agent
  /** The registry's desired properties. */
  readonly registry: { readonly connectionString: string; readonly children?: readonly Child[] }
  /** Of the registry and all below, flat. */
  readonly children: readonly (Child & { readonly parent: string })[]
}

interface Agent {
  readonly runtime: {
    readonly settings: { readonly registryCredentials: Readonly<Record<string, { readonly address: string }>> }
  }
  readonly systemModules: Readonly<Record<string, Module>>
  readonly modules: Readonly<Record<string, Module>>
}

interface Module {
  readonly settings: { readonly image: string }
}

interface Child {
  readonly name: string
  readonly mode: string
  readonly repositories: readonly string[]
  readonly children?: readonly Child[]
}

function expandAll(t: TestContext): readonly Manifest[] {
  const output = mkdtempSync(join(tmpdir(), 'nested-edge-'))
  t.after(() => rmSync(output, { recursive: true, force: true }))
  const program = join(root, 'scripts', 'deployment.ts')
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...variables }
  const options = { cwd: root, env, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stderr } = spawnSync(process.execPath, [program, 'nested-edge', '--output', output], options)
  assert.equal(status, 0, stderr)
  return layers.map(({ name, template }) => {
    const text = readFileSync(join(output, 'nested-edge', template.replace('.template.json', '.amd64.json')), 'utf8')
    const content = JSON.parse(text).modulesContent
    const registry = content['connected-registry']['properties.desired']
    return {
      name,
      text,
      registry,
      agent: content.$edgeAgent['properties.desired'],
      children: flatten(registry.children, name)
    }
  })
}

function flatten(children: readonly Child[] = [], parent: string): Manifest['children'] {
  return children.flatMap((child) => [{ ...child, parent }, ...flatten(child.children, child.name)])
}
