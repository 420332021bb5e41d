import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { hexOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { requireTool } from '../../fixtures/tools.ts'
import { password, serveRegistry } from './served-registry.ts'

const run = promisify(execFile)

test('skopeo inspects and copies an image, and is refused in the words of ACR where it pushes', async (t) => {
  const skopeo = requireTool(t, 'skopeo')
  if (!skopeo) return
  const served = await serveRegistry(t)
  const image = anImage({ layers: 2, layerSize: 2 ** 20 })
  await served.hold('app/web', image, 'v1')
  const folder = await mkdtemp(join(tmpdir(), 'skopeo-'))
  t.after(() => rm(folder, { recursive: true }))
  const name = `docker://127.0.0.1:${served.port}/app/web`
  const creds = `writer:${password}`

  const raw = await run(skopeo, ['inspect', '--raw', '--tls-verify=false', '--creds', creds, `${name}:v1`])
  const pull = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', '--src-creds', creds]
  await run(skopeo, [...pull, `${name}:v1`, `dir:${folder}`])
  const push = ['copy', '-q', '--insecure-policy', '--dest-tls-verify=false', '--dest-creds', creds]
  const refused = run(skopeo, [...push, `dir:${folder}`, `${name}:v2`])

  assert.equal(raw.stdout, Buffer.from(image.manifest.bytes).toString())
  for (const [digest, bytes] of image.blobs) {
    assert.ok((await readFile(join(folder, hexOf(digest)))).equals(bytes), digest)
  }
  await assert.rejects(refused, { stderr: /denied: This operation is not allowed on this registry\./ })
})
