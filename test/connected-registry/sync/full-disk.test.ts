import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../../modules/connected-registry/src/storage/store-error.ts'
import { anImage, anIndex, type BuiltImage } from '../../fixtures/image-builder.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'

function aDisk() {
  const disk = { isFull: false }
  const admit = async () => {
    if (disk.isFull) throw new StoreError('the disk is nearly full', { code: 'ENOSPC', path: '/data' })
  }
  return { disk, admit }
}

interface Answered {
  readonly method: string
  readonly url: string
  readonly status?: number | undefined
}

function isContent({ method, url, status = 0 }: Answered): boolean {
  return method === 'GET' && /\/(blobs|manifests)\//.test(url) && status < 400
}

test('on a full disk nothing is fetched, what the parent removed goes, and with room again the rest comes', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const [old, kept, fresh] = [anIndex([]), anImage({ seed: 'kept' }), anImage({ seed: 'fresh' })]
  cloud.contents.put(repository, old, 'old')
  for (const tag of ['a', 'b', 'c']) cloud.contents.put(repository, kept, tag)
  const { disk, admit } = aDisk()
  const site = await openSite(t, connection, [repository], { admit })
  await site.sync()
  cloud.contents.put(repository, fresh, '1.0')
  cloud.contents.put(repository, fresh, '2.0')
  cloud.contents.deleteManifest(repository, old.manifest.descriptor.digest)
  const asked = cloud.requests.length

  disk.isFull = true
  const full = await site.sync()

  assert.equal(full.result, 'Failed')
  assert.deepEqual(site.codes(), ['DiskError'])
  assert.match(site.board.read().details[0]!.description, /^plant\/app: 3 references wait for room: the disk is nearly/)
  assert.deepEqual(cloud.requests.slice(asked).filter(isContent), [])
  assert.equal(await site.tag(repository, 'old'), undefined)

  disk.isFull = false
  const after = await site.sync()

  assert.equal(after.result, 'Succeeded')
  assert.equal(await site.tag(repository, '1.0'), fresh.manifest.descriptor.digest)
})

test('on a full disk a tag that was changed on both sides waits as well, before anything of it is fetched', async (t) => {
  const { connection, cloud } = await openCloud(t, 'acr', [repository])
  const [first, here, above] = ['first', 'here', 'above'].map((seed) => anImage({ seed })) as [
    BuiltImage,
    BuiltImage,
    BuiltImage
  ]
  cloud.contents.put(repository, first, 'v1')
  const { disk, admit } = aDisk()
  const site = await openSite(t, connection, [repository], { admit, mode: 'ReadWrite' })
  await site.sync()
  await site.push(repository, here, 'v1')
  cloud.contents.put(repository, above, 'v1')
  const asked = cloud.requests.length

  disk.isFull = true
  await site.sync()

  assert.ok(site.codes().includes('DiskError'))
  assert.deepEqual(cloud.requests.slice(asked).filter(isContent), [])
  assert.equal(await site.tag(repository, 'v1'), here.manifest.descriptor.digest)

  disk.isFull = false
  await site.sync()

  assert.equal(await site.tag(repository, 'v1'), above.manifest.descriptor.digest)
})
