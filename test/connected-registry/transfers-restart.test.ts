import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { hexOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { storePaths } from '../../modules/connected-registry/src/storage/layout.ts'
import { anImage, type BuiltImage } from '../fixtures/image-builder.ts'
import { connectionString } from '../simulators/world.ts'
import { aProcess } from './module-under-test.ts'
import { openCloud, syncToken } from './sync/parents.ts'

const repository = 'plant/app'
const mebibyte = 1024 * 1024

const layerOf = (image: BuiltImage) => [...image.blobs.keys()].at(-1)!

test('after kill -9 in the middle of a transfer it goes on with what had come, and the store is sound', {
  timeout: 60_000
}, async (t) => {
  const { cloud } = await openCloud(t, 'acr', [repository])
  const image = anImage({ layerSize: 12 * mebibyte })
  cloud.contents.put(repository, image, 'latest')
  const layer = { server: 'data', path: new RegExp(hexOf(layerOf(image))) } as const
  cloud.faults.add(layer, { kind: 'hang', afterBytes: 9 * mebibyte }, { times: 1 })
  const folder = await mkdtemp(join(tmpdir(), 'transfers-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { module } = await aProcess(t, {
    ACR_REGISTRY_DATA_VOLUME: folder,
    ACR_REGISTRY_CONNECTION_STRING: connectionString(syncToken, cloud.loginServer),
    ACR_REGISTRY_REPOSITORIES: repository
  })
  await module.start()
  const { uploads } = storePaths(folder)
  while ((await arrived(uploads)) < 8 * mebibyte) t.signal.throwIfAborted()

  await module.stop('SIGKILL')
  const [before, held] = [await fsck(folder, { content: true }), await arrived(uploads)]
  const next = cloud.nextRequest(layer, t.signal)
  await module.start()
  const { range } = await next
  const { result, bytes } = await module.line(({ msg }) => msg === 'iteration ended', t.signal)
  await module.stop()

  assert.deepEqual(before.problems, [])
  assert.equal(range, `bytes=${held}-`)
  assert.equal(result, 'Succeeded')
  assert.ok(Number(bytes) <= 12.1 * mebibyte - held, `${bytes} bytes came after ${held}`)
  const after = await fsck(folder, { content: true })
  assert.deepEqual([after.problems, after.figures.blobs, after.figures.uploads], [[], 2, 0])
})

/** Bytes of the largest upload. */
async function arrived(uploads: string): Promise<number> {
  const ids = await readdir(uploads).catch(() => [])
  const sizes = await Promise.all(
    ids.map((id) =>
      stat(join(uploads, id, 'data')).then(
        ({ size }) => size,
        () => 0
      )
    )
  )
  return Math.max(0, ...sizes)
}
