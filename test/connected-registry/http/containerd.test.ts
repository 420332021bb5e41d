import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { serveWritable } from './pushing.ts'
import { basic, password } from './served-registry.ts'

const run = promisify(execFile)

/** A containerd of this test's own, without the plugins that want more of a machine than content. Undefined: skipped. */
async function startContainerd(t: TestContext) {
  const ctr = requireTool(t, 'ctr')
  const containerd = ctr && requireTool(t, 'containerd')
  if (!containerd || !ctr) return undefined
  if (process.getuid?.() !== 0) return void t.skip('containerd needs root')
  const folder = await mkdtemp(join(tmpdir(), 'containerd-'))
  const address = join(folder, 'c.sock')
  const config = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]',
    '[grpc]',
    `address = "${address}"`
  ]
  await writeFile(join(folder, 'config.toml'), config.join('\n'))
  const daemon = spawn(containerd, ['--config', join(folder, 'config.toml')], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(async () => {
    daemon.kill()
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  for await (const line of createInterface(daemon.stderr)) {
    if (line.includes('successfully booted')) break
  }
  daemon.stderr.resume()
  return async (...words: readonly string[]) =>
    (await run(ctr, ['--address', address, ...words], { timeout: 60_000 })).stdout
}

test('containerd logs in by POST, pulls an index with all its images and pushes it to another repository', async (t) => {
  const ctr = await startContainerd(t)
  if (!ctr) return
  const served = await serveWritable(t)
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))
  const index = anIndex(platforms.map((platform) => anImage({ seed: platform.architecture, layers: 2, platform })))
  await served.hold('app/web', index, 'v1')
  await served.hold('other/web', anImage(), 'v1')
  const host = `127.0.0.1:${served.port}`
  const flags = ['--plain-http', '--user', `writer:${password}`]
  const posts = () => served.log().match(/"method":"POST","path":"\/acr\/oauth2\/token","status":200/g)?.length ?? 0

  await ctr('content', 'fetch', '--all-platforms', ...flags, `${host}/app/web:v1`)
  const [pulls, gets] = [posts(), served.log().includes('"method":"GET","path":"/acr/oauth2/token"')]
  await ctr('images', 'tag', `${host}/app/web:v1`, `${host}/app/copy:v1`)
  await ctr('images', 'push', ...flags, `${host}/app/copy:v1`)

  const copied = await served.send('GET', '/v2/app/copy/manifests/v1', basic())
  assert.ok(copied.bytes.equals(index.manifest.bytes))
  assert.ok(pulls > 0 && posts() > pulls)
  assert.equal(gets, false)
  await assert.rejects(ctr('content', 'fetch', ...flags, `${host}/other/web:v1`), /403 Forbidden|denied|insufficient/i)
  await assert.rejects(
    ctr('content', 'fetch', '--plain-http', '--user', 'writer:wrong', `${host}/app/web:v1`),
    /401 Unauthorized|authorization failed/
  )
})
