import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../modules/connected-registry/src/protocol/digest.ts'
import { mediaTypes } from '../../../modules/connected-registry/src/protocol/media-types.ts'
import { anImage, type BuiltImage } from '../../fixtures/image-builder.ts'
import { json, scriptedServer } from '../parent/scripted-server.ts'
import { openCloud, writeRights } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'

/** An image one layer of which is said to be somewhere else. */
function withLayerElsewhere(mediaType: string, url: string): BuiltImage {
  const image = anImage({ seed: mediaType })
  const content = Buffer.from(`elsewhere as ${mediaType}`)
  const document = JSON.parse(Buffer.from(image.manifest.bytes).toString())
  document.layers.push({ mediaType, digest: digestOf(content), size: content.length, urls: [url] })
  const bytes = Buffer.from(JSON.stringify(document))
  const descriptor = { ...image.manifest.descriptor, digest: digestOf(bytes), size: bytes.length }
  return { ...image, manifest: { descriptor, bytes } }
}

test('the urls of a layer are for clients: sync, down and up, never follows one', async (t) => {
  const elsewhere = await scriptedServer(t, json(200, {}))
  const url = `${elsewhere.url}/latest/meta-data`
  const { connection, cloud } = await openCloud(t, 'acr', [repository], { rights: writeRights })
  const foreign = withLayerElsewhere(mediaTypes.dockerForeignLayer, url)
  const ordinary = withLayerElsewhere('application/vnd.oci.image.layer.v1.tar+gzip', url)
  cloud.contents.put(repository, foreign, 'foreign')
  cloud.contents.put(repository, ordinary, 'ordinary')
  const site = await openSite(t, connection, [repository], { mode: 'ReadWrite' })

  await site.sync()
  await site.push(repository, withLayerElsewhere(mediaTypes.dockerForeignLayer, `${url}/up`), 'up')
  await site.sync()

  assert.equal(await site.tag(repository, 'foreign'), foreign.manifest.descriptor.digest)
  assert.equal(await site.tag(repository, 'ordinary'), undefined)
  assert.ok(cloud.contents.manifest(repository, 'up'))
  assert.deepEqual(elsewhere.asked, [])
})
