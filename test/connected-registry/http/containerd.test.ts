import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { openContainerd } from '../../clients/containerd.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { serveWritable } from './pushing.ts'
import { basic, password } from './served-registry.ts'

/** A containerd of this test's own. Undefined: skipped. */
async function startContainerd(t: TestContext) {
  if (!requireTool(t, 'ctr') || !requireTool(t, 'containerd')) return undefined
  if (process.getuid?.() !== 0) return void t.skip('containerd needs root')
  const folder = await mkdtemp(join(tmpdir(), 'containerd-'))
  const engine = await openContainerd({ folder, caFile: '' })
  t.after(async () => {
    await engine.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return (...words: readonly string[]) => engine.run(words)
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
