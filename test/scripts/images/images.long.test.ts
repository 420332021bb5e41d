import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { modulesFromImages } from '../../../scripts/simulation/image-modules.ts'
import { demoApp } from '../../fixtures/demo-images.ts'
import { passwordHash } from '../../fixtures/password-hash.ts'
import { freePorts } from '../../fixtures/ports.ts'
import { basicAuthorization } from '../../fixtures/push-image.ts'
import { skipWithout } from '../../fixtures/tools.ts'
import { startJourney } from '../../journeys/journey.ts'
import { createModuleContainer } from '../../simulators/module-container.ts'
import { startComposedWorld } from './composed-world.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')
const modules = ['connected-registry', 'api-proxy']
const mostBytes = 80e6
const password = 'pull-and-push'

const composeTools = ['docker', 'docker-compose', 'dockerd', 'ip', 'sh', 'unshare']
const tools = ['apt-get', 'dpkg-deb', 'umoci', 'runc', 'skopeo']

describe('the images of the modules, built without an engine', { skip: skipWithout(tools) }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'images-'))
  const images = join(folder, 'images')
  let built: readonly Built[] = []
  before(async () => {
    built = await build(images)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('are small, have bills of materials, and the same input gives the same digests', async () => {
    const again = await build(join(folder, 'again'))

    assert.equal(built.length, 4)
    assert.ok(built.every(({ sizeBytes }) => sizeBytes <= mostBytes))
    assert.deepEqual(
      again.map(({ digest }) => digest),
      built.map(({ digest }) => digest)
    )
    for (const module of modules) assertLayout(join(images, module))
  })

  test('are archives for an engine as they lie there', async () => {
    for (const module of modules) {
      const archive = join(folder, `${module}.tar`)
      await run('tar', ['-cf', archive, '-C', join(images, module), '.'])

      const name = `${module}:0.1.0-amd64`
      const { stdout } = await run('skopeo', ['inspect', '--raw', '--config', `docker-archive:${archive}:${name}`])

      const { digest } = indexOf(join(images, module)).manifests[1]!
      const { config } = read(join(images, module), digest)
      assert.deepEqual(JSON.parse(stdout), read(join(images, module), config.digest))
    }
  })

  test('run by compose in an engine of their own, and are healthy', { skip: skipWithout(composeTools) }, async (t) => {
    const archives = modules.map((module) => join(folder, `${module}.tar`))
    const world = await startComposedWorld(t, { folder: join(folder, 'engine'), archives, password })

    await Promise.all([world.line('api-proxy', /door opened/), world.line('connected-registry', /iteration ended/)])
    const credentials = ['--tls-verify=false', `--creds=line-1:${password}`]
    const words = ['inspect', '--raw', ...credentials, 'docker://127.0.0.1:8000/demo/app:1.0']
    assert.equal(digestOf(Buffer.from(await world.run('skopeo', words))), demoApp().manifest.descriptor.digest)
    for (const module of modules) assert.match(await world.check(module), /ready/)
  })

  test('distribute themselves: pushed and pulled through the pair that runs from them', async (t) => {
    const { registry, proxy, door } = await runPair(t, folder, images)
    mkdirSync(join(folder, 'pulled'))

    for (const module of modules) {
      const layout = `oci:${join(images, module)}:0.1.0`
      const site = `docker://${door}/${module}:0.1.0`
      await run('skopeo', ['copy', '--all', '--dest-tls-verify=false', `--dest-creds=line-1:${password}`, layout, site])
      const pulled = join(folder, 'pulled', module)
      const source = ['--src-tls-verify=false', `--src-creds=line-1:${password}`]
      await run('skopeo', ['copy', '--all', ...source, site, `oci:${pulled}:0.1.0`], { timeout: 120_000 })
      assert.equal(indexOf(pulled).manifests[0].digest, indexOf(join(images, module)).manifests[0].digest)
    }

    assert.deepEqual([await proxy.stop(), await registry.stop()], [0, 0])
  })

  test('serve a site in the simulated world, without a shell and read-only, also after a kill', async (t) => {
    const containers = join(folder, 'site')
    const journey = await startJourney(t, { module: modulesFromImages(images, containers) })
    if (!journey) return
    const { skopeo, world } = journey

    await skopeo.pull('demo/app:1.0', join(folder, 'app:1.0'))
    await world.registry.stop('SIGKILL')
    await world.cloud!.stop()
    await world.registry.start()
    await skopeo.pull('hello-world:latest', join(folder, 'hello:1.0'))

    for (const module of modules) {
      const rootFileSystem = join(containers, module, 'rootfs')
      assert.ok(existsSync(join(rootFileSystem, 'usr/local/bin/node')))
      assert.ok(!existsSync(join(rootFileSystem, 'bin/sh')) && !existsSync(join(rootFileSystem, 'usr/bin')))
      assert.equal(findWritten(rootFileSystem), undefined)
    }
    assert.deepEqual([await world.proxy.stop(), await world.registry.stop()], [0, 0])
  })
})

/** What belongs to the modules' user beyond what the image gives it. */
function findWritten(rootFileSystem: string): string | undefined {
  return readdirSync(rootFileSystem, { recursive: true, encoding: 'utf8' }).find(
    (path) => !/^(home\/node|var\/acr\/data)$/.test(path) && lstatSync(join(rootFileSystem, path)).uid === 1000
  )
}

interface Built {
  readonly platform: string
  readonly digest: string
  readonly sizeBytes: number
}

async function build(output: string): Promise<readonly Built[]> {
  const program = join(root, 'scripts', 'images.ts')
  const { stdout } = await run(process.execPath, [program, '--output', output], { timeout: 600_000 })
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
async function runPair(t: TestContext, folder: string, images: string) {
  const [registryPort, doorPort] = await freePorts(2)
  const data = join(folder, 'volume')
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
  mkdirSync(data)
  writeFileSync(join(data, 'settings.json'), JSON.stringify(settings))
  const containers = join(folder, 'containers')
  const imageOf = (module: string) => `${join(images, module)}:0.1.0-amd64`
  const registry = createModuleContainer({
    ...{ name: 'connected-registry', image: imageOf('connected-registry'), folder: containers },
    mounts: [{ source: data, destination: '/var/acr/data' }],
    environment: {
      ACR_REGISTRY_HOST: '127.0.0.1',
      ACR_REGISTRY_PORT: String(registryPort),
      ACR_REGISTRY_SETTINGS: '/var/acr/data/settings.json'
    },
    ready: 'registry started'
  })
  const proxy = createModuleContainer({
    ...{ name: 'api-proxy', image: imageOf('api-proxy'), folder: containers },
    mounts: [],
    environment: {
      API_PROXY_HOST: '127.0.0.1',
      API_PROXY_TLS: 'off',
      NGINX_DEFAULT_PORT: String(doorPort),
      CONNECTED_ACR_ROUTE_ADDRESS: `127.0.0.1:${registryPort}`
    },
    ready: 'door opened'
  })
  t.after(() => Promise.all([registry.stop('SIGKILL'), proxy.stop('SIGKILL')]))
  await Promise.all([registry.start(), proxy.start()])
  const door = `127.0.0.1:${doorPort}`
  const headers = { authorization: basicAuthorization('line-1', password) }
  assert.equal((await fetch(`http://${door}/v2/`, { headers })).status, 200)
  return { registry, proxy, door }
}
