import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openParent } from './parent-rig.ts'
import { type Script, scriptedServer } from './scripted-server.ts'

const { descriptor, bytes } = anImage({ seed: 'named' }).manifest
const { digest } = descriptor
const other = digestOf(Buffer.from('another manifest'))
const headers = { 'content-type': descriptor.mediaType, 'docker-content-digest': digest }

const withManifest: Script = ({ method }, response) =>
  void response.writeHead(200, { ...headers, 'content-length': bytes.length }).end(method === 'HEAD' ? '' : bytes)

const conditional: Script = (request, response) => {
  if (request.headers['if-none-match'] === `"${digest}"`) response.writeHead(304, { etag: `"${digest}"` }).end()
  else withManifest(request, response)
}

test('whether a tag still names what is known costs one request, which brings the manifest where it does not', async (t) => {
  const server = await scriptedServer(t, conditional)
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  assert.deepEqual(await app.lookAgain('v1', digest, signal), { digest })
  const seen = await app.lookAgain('v1', other, signal)

  assert.ok(seen?.manifest)
  assert.deepEqual({ ...seen, manifest: seen.manifest.descriptor }, { digest, manifest: descriptor })
  assert.deepEqual(Buffer.from(seen.manifest.bytes), Buffer.from(bytes))
  assert.deepEqual(
    server.asked.map(({ method }) => method),
    ['GET', 'GET']
  )
})

test('a parent that answers with what is known all the same is asked for digests alone from then on', async (t) => {
  const server = await scriptedServer(t, withManifest)
  const { parent, signal } = openParent(t, server.host)
  const app = parent.repository('app')

  for (let look = 0; look < 3; look++) assert.equal((await app.lookAgain('v1', digest, signal))?.digest, digest)
  assert.equal((await parent.repository('team/b').lookAgain('v1', other, signal))?.digest, digest)

  assert.deepEqual(
    server.asked.map(({ method }) => method),
    ['GET', 'HEAD', 'HEAD', 'HEAD']
  )
})

test('a tag that is gone is gone, and other bytes than the digest says are no manifest', async (t) => {
  const gone = await scriptedServer(t, (_, response) => {
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
  })
  const lying = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { ...headers, 'docker-content-digest': other }).end(bytes)
  })
  const app = (host: string) => openParent(t, host).parent.repository('app')

  assert.equal(await app(gone.host).lookAgain('v1', digest, t.signal), undefined)
  await assert.rejects(app(lying.host).lookAgain('v1', digest, t.signal), { code: 'DIGEST_MISMATCH' })
})
