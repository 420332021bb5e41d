import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { createFilesystemBlobStore } from '../../../modules/connected-registry/src/storage/filesystem.ts'
import { storePaths } from '../../../modules/connected-registry/src/storage/layout.ts'
import { anImage, anIndex } from '../../fixtures/image-builder.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { temporaryFolder } from '../storage/temporary-folder.ts'
import { serveWritable } from './pushing.ts'
import { basic, password, type ServedRegistry } from './served-registry.ts'

const run = promisify(execFile)
const credentials = `writer:${password}`

async function serveOnDisk(t: TestContext): Promise<ServedRegistry> {
  const blobs = await createFilesystemBlobStore(storePaths(await temporaryFolder()))
  t.after(() => blobs.close())
  return serveWritable(t, { blobs })
}

test('skopeo copies an index with all its images from one repository to another', async (t) => {
  const skopeo = requireTool(t, 'skopeo')
  if (!skopeo) return
  const served = await serveOnDisk(t)
  const images = ['amd64', 'arm64'].map((architecture) =>
    anImage({ seed: architecture, layers: 3, layerSize: 2 ** 20, platform: { os: 'linux', architecture } })
  )
  const index = anIndex(images)
  await served.hold('app/web', index, 'v1')
  const name = (repository: string) => `docker://127.0.0.1:${served.port}/${repository}:v1`
  const folder = await mkdtemp(join(tmpdir(), 'skopeo-'))
  t.after(() => rm(folder, { recursive: true }))
  const flags = ['copy', '-q', '--all', '--insecure-policy']
  const from = ['--src-tls-verify=false', '--src-creds', credentials]
  const to = ['--dest-tls-verify=false', '--dest-creds', credentials]

  await run(skopeo, [...flags, ...from, name('app/web'), `dir:${folder}`])
  await run(skopeo, [...flags, ...to, `dir:${folder}`, name('app/copy')])

  const pushed = await served.send('GET', '/v2/app/copy/manifests/v1', basic())
  assert.ok(pushed.bytes.equals(index.manifest.bytes))
  for (const image of images) {
    for (const [digest, bytes] of image.blobs) {
      assert.ok((await served.send('GET', `/v2/app/copy/blobs/${digest}`, basic())).bytes.equals(bytes))
    }
  }
  assert.deepEqual(await served.registry.uploads.list(), [])
})

test('crane copies an image to another repository and appends a layer to it', async (t) => {
  const crane = requireTool(t, 'crane')
  if (!crane) return
  const served = await serveOnDisk(t)
  await served.hold('app/web', anImage({ layers: 2, layerSize: 2 ** 20 }), 'v1')
  const folder = await mkdtemp(join(tmpdir(), 'crane-'))
  t.after(() => rm(folder, { recursive: true }))
  const host = `127.0.0.1:${served.port}`
  const auths = { [host]: { auth: Buffer.from(credentials).toString('base64') } }
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }))
  const environment = { env: { ...process.env, DOCKER_CONFIG: folder } }
  const layer = join(folder, 'layer.tar')
  await writeFile(layer, Buffer.alloc(10_240))

  await run(crane, ['copy', '--insecure', `${host}/app/web:v1`, `${host}/app/copy:v1`], environment)
  const append = ['append', '--insecure', '-b', `${host}/app/copy:v1`, '-f', layer, '-t', `${host}/app/copy:v2`]
  await run(crane, append, environment)

  const validate = ['validate', '--insecure', '--remote', `${host}/app/copy:v2`]
  const { stdout } = await run(crane, validate, environment)
  assert.match(stdout, /^PASS/)
  assert.deepEqual(await served.registry.uploads.list(), [])
})
