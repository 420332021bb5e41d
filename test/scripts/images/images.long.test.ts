import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { passwordHash } from '../../fixtures/password-hash.ts'
import { freePorts } from '../../fixtures/ports.ts'
import { basicAuthorization } from '../../fixtures/push-image.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { type Container, runContainer } from './container.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')
const modules = ['connected-registry', 'api-proxy']
const mostBytes = 80e6
const password = 'pull-and-push'

test('the images are built without an engine, small and the same each time, and distribute themselves', async (t) => {
  const tools = ['apt-get', 'dpkg-deb', 'umoci', 'runc', 'skopeo'].map((tool) => requireTool(t, tool))
  if (tools.includes(undefined)) return
  const folder = mkdtempSync(join(tmpdir(), 'images-'))
  // After the containers in it are gone.
  after(() => rmSync(folder, { recursive: true, force: true }))

  const first = await build(join(folder, 'first'), [])
  const again = await build(join(folder, 'again'), ['--platform', 'amd64'])

  assert.equal(first.length, 4)
  assert.ok(first.every(({ sizeBytes }) => sizeBytes <= mostBytes))
  const amd64 = first.filter(({ platform }) => platform === 'amd64')
  assert.deepEqual(
    again.map(({ digest }) => digest),
    amd64.map(({ digest }) => digest)
  )
  for (const module of modules) assertLayout(join(folder, 'first', module))

  const { registry, proxy, door } = await runPair(t, folder)
  mkdirSync(join(folder, 'pulled'))
  for (const module of modules) {
    const layout = `oci:${join(folder, 'first', module)}:0.1.0`
    const site = `docker://${door}/${module}:0.1.0`
    await run('skopeo', ['copy', '--all', '--dest-tls-verify=false', `--dest-creds=line-1:${password}`, layout, site])
    const pulled = join(folder, 'pulled', module)
    const source = ['--src-tls-verify=false', `--src-creds=line-1:${password}`]
    await run('skopeo', ['copy', '--all', ...source, site, `oci:${pulled}:0.1.0`], { timeout: 120_000 })
    assert.equal(indexOf(pulled).manifests[0].digest, indexOf(join(folder, 'first', module)).manifests[0].digest)
  }
  assert.equal(await proxy.stop(), 0)
  assert.equal(await registry.stop(), 0, registry.output())
})

interface Built {
  readonly platform: string
  readonly digest: string
  readonly sizeBytes: number
}

async function build(output: string, options: readonly string[]): Promise<readonly Built[]> {
  const program = join(root, 'scripts', 'images.ts')
  const { stdout } = await run(process.execPath, [program, '--output', output, ...options], { timeout: 600_000 })
  return stdout.split('\n').flatMap((line) => {
    const [, platform, digest, megabytes] = /^\S+ {2}(\S+) {2}(sha256:\w+) {2}([\d.]+) MB$/.exec(line) ?? []
    return platform && digest ? [{ platform, digest, sizeBytes: Number(megabytes) * 1e6 }] : []
  })
}

/** Each image has its bill of materials, which names what npm does not know of. */
function assertLayout(layout: string): void {
  const { manifests } = indexOf(layout)
  const referrers = manifests.filter((entry) => entry.artifactType === 'application/spdx+json')
  assert.equal(referrers.length, 2)
  for (const { digest } of referrers) {
    const manifest = read(layout, digest)
    assert.ok(manifests.some((entry) => entry.digest === manifest.subject.digest))
    const names = read(layout, manifest.layers[0].digest).packages.map(({ name }: { name: string }) => name)
    for (const name of ['koa', 'node', 'libc6']) assert.ok(names.includes(name) || layout.includes('proxy'), name)
  }
}

interface LayoutEntry {
  readonly digest: string
  readonly artifactType?: string
}

function indexOf(layout: string): { readonly manifests: readonly [LayoutEntry, ...LayoutEntry[]] } {
  return JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
}

// biome-ignore lint/suspicious/noExplicitAny: documents are read by their paths here, and a wrong one fails the test.
function read(layout: string, digest: string): any {
  return JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
}

/** The two modules from their images, configured as outside of IoT Edge; both answer when this resolves. */
async function runPair(t: TestContext, folder: string) {
  const [registryPort, doorPort] = await freePorts(2)
  const settings = {
    mode: 'ReadWrite',
    clientTokens: [
      {
        name: 'line-1',
        passwords: [{ hash: passwordHash(password) }],
        actions: modules.flatMap((name) => ['read', 'write'].map((right) => `repositories/${name}/content/${right}`))
      }
    ]
  }
  const registry = await runContainer(t, {
    image: `${join(folder, 'first', 'connected-registry')}:0.1.0-amd64`,
    folder,
    name: 'connected-registry',
    volume: '/var/acr/data',
    files: { 'settings.json': JSON.stringify(settings) },
    environment: {
      ACR_REGISTRY_HOST: '127.0.0.1',
      ACR_REGISTRY_PORT: String(registryPort),
      ACR_REGISTRY_SETTINGS: '/var/acr/data/settings.json'
    }
  })
  const proxy = await runContainer(t, {
    image: `${join(folder, 'first', 'api-proxy')}:0.1.0-amd64`,
    folder,
    name: 'api-proxy',
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      API_PROXY_TLS: 'off',
      NGINX_DEFAULT_PORT: String(doorPort),
      CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registryPort}`
    }
  })
  const door = `127.0.0.1:${doorPort}`
  await answered(`http://${door}/v2/`, [registry, proxy])
  return { registry, proxy, door }
}

async function answered(url: string, containers: readonly Container[]): Promise<void> {
  const authorization = basicAuthorization('line-1', password)
  for (let attempt = 0; attempt < 150; attempt++) {
    const answer = await fetch(url, { headers: { authorization } }).catch(() => undefined)
    if (answer?.status === 200) return
    await pause(200)
  }
  throw new Error(`${url} did not answer: ${containers.map((container) => container.output()).join('\n')}`)
}
