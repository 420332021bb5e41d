import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { compileCache } from '../../simulators/module-process.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const templates = ['deployment.template.json', 'deployment.debug.template.json']
const variables = {
  CONTAINER_REGISTRY_SERVER: 'Contoso.azurecr.io',
  CONTAINER_REGISTRY_USERNAME: 'puller',
  CONTAINER_REGISTRY_PASSWORD: 'with "quotes", \\ and $CONTAINER_REGISTRY_SERVER',
  CONNECTED_REGISTRY_CONNECTION_STRING: 'ParentGatewayEndpoint=$IOTEDGE_PARENTHOSTNAME:8000',
  CLIENT_PASSWORD_HASH: 'scrypt$17$8$1$c2FsdA$aGFzaA'
}

test('the templates become manifests that az iot edge set-modules takes, and nobody else may read', (t) => {
  const folder = aProject(t)

  const { status, stdout } = deploy(folder, [], variables)

  assert.equal(status, 0)
  assert.match(stdout, /deployment\.template\.json -> config\/deployment\.amd64\.json/)
  const manifest = readManifest(folder, 'config/deployment.amd64.json')
  assert.deepEqual(Object.keys(manifest), ['modulesContent'])
  const agent = manifest.modulesContent.$edgeAgent['properties.desired']
  assert.equal(agent.modules['connected-registry'].settings.image, 'contoso.azurecr.io/connected-registry:0.1.0-amd64')
  assert.equal(typeof agent.modules['api-proxy'].settings.createOptions, 'string')
  const { password } = agent.runtime.settings.registryCredentials.cloudregistry
  assert.equal(password, variables.CONTAINER_REGISTRY_PASSWORD)
  const desired = manifest.modulesContent['connected-registry']['properties.desired']
  assert.equal(desired.connectionString, variables.CONNECTED_REGISTRY_CONNECTION_STRING)
  assert.equal(desired.clientTokens[0].passwords[0].hash, variables.CLIENT_PASSWORD_HASH)
  assert.equal(statSync(join(folder, 'config/deployment.amd64.json')).mode & 0o077, 0)
})

test('the debug template takes the debug images of the platform that is asked for', (t) => {
  const folder = aProject(t)

  const amd64 = deploy(folder, ['deployment.debug.template.json'], variables)
  const arm64 = deploy(folder, ['deployment.template.json', '--platform', 'arm64v8', '--output', 'out'], variables)

  assert.deepEqual([amd64.status, arm64.status], [0, 0])
  assert.match(imageOf(readManifest(folder, 'config/deployment.debug.amd64.json')), /:0\.1\.0-amd64\.debug$/)
  assert.match(imageOf(readManifest(folder, 'out/deployment.arm64v8.json')), /:0\.1\.0-arm64v8$/)
})

test('variables come from .env, and the environment wins', (t) => {
  const folder = aProject(t)
  const lines = Object.entries(variables).map(([name, value]) => `${name}='${value}'`)
  writeFileSync(join(folder, '.env'), lines.join('\n'))

  deploy(folder, ['deployment.template.json'], { CONTAINER_REGISTRY_SERVER: 'fabrikam.azurecr.io' })

  const manifest = readManifest(folder, 'config/deployment.amd64.json')
  assert.match(imageOf(manifest), /^fabrikam\.azurecr\.io\//)
  assert.match(JSON.stringify(manifest), /scrypt\$17\$8\$1/)
})

test('every variable without a value is named, and nothing is written', (t) => {
  const folder = aProject(t)

  const { status, stderr } = deploy(folder, ['deployment.template.json'], {})

  assert.equal(status, 1)
  for (const name of Object.keys(variables)) assert.match(stderr, new RegExp(`${name} has no value`))
  assert.ok(!existsSync(join(folder, 'config')))
})

test('a variable without a value stays where that is asked for', (t) => {
  const folder = aProject(t)

  const { status } = deploy(folder, ['deployment.template.json', '--allow-unset'], {})

  assert.equal(status, 0)
  assert.match(imageOf(readManifest(folder, 'config/deployment.amd64.json')), /^\$\{CONTAINER_REGISTRY_SERVER\}\//)
})

const mistakes: readonly (readonly [what: string, find: string, replace: string, problem: RegExp])[] = [
  ['a module that is not there', 'MODULES.api-proxy', 'MODULES.gateway', /there is no module gateway/],
  ['an unknown platform', 'MODULES.api-proxy', 'MODULES.api-proxy.sparc', /no platform sparc: amd64, /],
  ['a version that az passes over', '"schemaVersion": "1.1"', '"schemaVersion": "9.9"', /schemaVersion 9\.9 is none/],
  [
    'an unknown restart policy',
    '"restartPolicy": "always"',
    '"restartPolicy": "daily"',
    /restartPolicy: must be equal/
  ],
  ['a key that the agent does not know', '"version": "1.0"', '"verison": "1.0"', /verison/],
  [
    'createOptions over 4 KiB',
    '"ExposedPorts"',
    `"Labels": { "x": "${'y'.repeat(4096)}" }, "ExposedPorts"`,
    /createOptions take/
  ],
  [
    'more than a twin has room for',
    '"mode": "ReadOnly"',
    `"mode": "ReadOnly", "children": ["${'y'.repeat(4000)}"${`, "${'y'.repeat(4000)}"`.repeat(8)}]`,
    /connected-registry: its desired properties take \d+ bytes of 32768, children alone 36\d+; .*ACR_REGISTRY_SETTINGS/
  ],
  [
    'a text that no twin takes',
    '"mode": "ReadOnly"',
    `"mode": "ReadOnly", "storage": { "quota": "${'y'.repeat(4097)}" }`,
    /connected-registry: storage\.quota takes 4097 bytes of 4096; .*ACR_REGISTRY_SETTINGS/
  ],
  [
    'settings that are nested deeper than a twin',
    '"mode": "ReadOnly"',
    `"mode": "ReadOnly", "children": ${'['.repeat(11)}${']'.repeat(11)}`,
    /connected-registry: children\S+ is nested deeper than 10 levels; .*ACR_REGISTRY_SETTINGS/
  ],
  ['text that is no JSON', '{', '', /JSON/]
]

for (const [what, find, replace, problem] of mistakes) {
  test(`${what}: the problem is named, and nothing is written`, (t) => {
    const folder = aProject(t)
    const file = join(folder, 'deployment.template.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace(find, replace))

    const { status, stderr } = deploy(folder, ['deployment.template.json'], variables)

    assert.equal(status, 1)
    assert.match(stderr, problem)
    assert.ok(!existsSync(join(folder, 'config')))
  })
}

test('a place without a template is named', (t) => {
  const folder = aProject(t)

  const absent = deploy(folder, ['nowhere'], variables)
  const empty = deploy(folder, ['modules'], variables)

  assert.match(absent.stderr, /there is no nowhere/)
  assert.match(empty.stderr, /there is no \*\.template\.json in modules/)
  assert.deepEqual([absent.status, empty.status], [2, 2])
})

/** The templates and what they name, in a folder of their own: a developer's .env does not matter. */
function aProject(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'deployment-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const template of templates) cpSync(join(root, template), join(folder, template))
  for (const module of ['connected-registry', 'api-proxy']) {
    mkdirSync(join(folder, 'modules', module), { recursive: true })
    cpSync(join(root, 'modules', module, 'module.json'), join(folder, 'modules', module, 'module.json'))
  }
  return folder
}

function deploy(folder: string, arguments_: readonly string[], environment: Readonly<Record<string, string>>) {
  const program = join(root, 'scripts', 'deployment.ts')
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...environment }
  return spawnSync(process.execPath, [program, ...arguments_], { cwd: folder, env, encoding: 'utf8', timeout: 60_000 })
}

// biome-ignore lint/suspicious/noExplicitAny: a manifest is read by its paths here, and a wrong one fails the test.
function readManifest(folder: string, file: string): any {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'))
}

function imageOf(manifest: ReturnType<typeof readManifest>): string {
  return manifest.modulesContent.$edgeAgent['properties.desired'].modules['connected-registry'].settings.image
}
