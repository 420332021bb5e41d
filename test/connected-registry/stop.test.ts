import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { hexOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { storePaths } from '../../modules/connected-registry/src/storage/layout.ts'
import { anImage, type BuiltImage } from '../fixtures/image-builder.ts'
import { connectionString } from '../simulators/world.ts'
import { aProcess, authorization } from './module-under-test.ts'
import { clientToken } from './running-app.ts'
import { temporaryFolder } from './storage/temporary-folder.ts'
import { openCloud, syncToken } from './sync/parents.ts'

const repository = 'plant/app'
const mebibyte = 1024 * 1024

const layerOf = (image: BuiltImage) => [...image.blobs.keys()].at(-1)!

async function sizeOf(response: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.length
  return bytes
}

test('told to stop, a download ends, the sync pauses at a byte, and whoever asks is told', {
  timeout: 60_000
}, async (t) => {
  const { cloud } = await openCloud(t, 'acr', [repository])
  const [here, coming] = [anImage({ layerSize: 32 * mebibyte }), anImage({ layerSize: 12 * mebibyte })]
  cloud.contents.put(repository, here, 'here')
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'settings.json'), JSON.stringify({ clientTokens: [await clientToken()] }))
  const { module, get, port } = await aProcess(t, {
    ACR_REGISTRY_DATA_VOLUME: folder,
    ACR_REGISTRY_SETTINGS: join(folder, 'settings.json'),
    ACR_REGISTRY_CONNECTION_STRING: connectionString(syncToken, cloud.loginServer),
    ACR_REGISTRY_REPOSITORIES: repository
  })
  await module.start()
  await module.line(({ msg }) => msg === 'iteration ended', t.signal)
  await module.stop()
  const layer = { server: 'data', path: new RegExp(hexOf(layerOf(coming))) } as const
  cloud.faults.add(layer, { kind: 'hang', afterBytes: 9 * mebibyte }, { times: 1 })
  cloud.contents.put(repository, coming, 'coming')
  await module.start()
  const path = `/v2/${repository}/blobs/${layerOf(here)}`
  const [download] = await once(request({ port, path, headers: { authorization }, agent: false }).end(), 'response')
  const { uploads } = storePaths(folder)
  while ((await arrived(uploads)) < 8 * mebibyte) t.signal.throwIfAborted()

  const stopping = module.line(({ msg }) => msg === 'connected-registry stopping', t.signal)
  const code = module.stop('SIGTERM')
  await stopping
  await module.line(({ msg, result }) => msg === 'iteration ended' && result === 'Aborted', t.signal)
  const [ready, refused] = [await get('/readyz'), await get(path)]
  const size = await sizeOf(download)

  assert.deepEqual([ready.status, ((await ready.json()) as Reasons).reasons[0]?.code], [503, 'STOPPING'])
  assert.equal(refused.status, 503)
  assert.equal(size, here.blobs.get(layerOf(here))?.length)
  assert.equal(await code, 0)
  const held = await arrived(uploads)
  const next = cloud.nextRequest(layer, t.signal)
  await module.start()
  assert.equal((await next).range, `bytes=${held}-`)
})

interface Reasons {
  readonly reasons: readonly { readonly code: string }[]
}

/** Bytes of the largest upload. */
async function arrived(uploads: string): Promise<number> {
  const ids = await readdir(uploads).catch(() => [])
  const sizeOf = (id: string) => stat(join(uploads, id, 'data')).then(({ size }) => size)
  const sizes = await Promise.all(ids.map((id) => sizeOf(id).catch(() => 0)))
  return Math.max(0, ...sizes)
}
