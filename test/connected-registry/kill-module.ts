import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { type Digest, digestOf } from '../../modules/connected-registry/src/protocol/digest.ts'
import { anImage, type BuiltImage } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { randomBytes } from '../fixtures/random-bytes.ts'
import { connectionString } from '../simulators/world.ts'
import { openCloud, syncToken } from './sync/parents.ts'
import { authorization, aWritableModule, type WritableModule } from './writable-module.ts'

const above = 'plant/app'
const here = 'line/app'

/** What clients were told, over all lives of the module. */
interface Told {
  readonly tags: Map<string, Digest>
  readonly deleted: Set<string>
  upload: { readonly location: string; readonly bytes: Uint8Array; size: number } | undefined
}

/**
 * The real module, killed again and again amid pushes, pulls, deletes, an upload in pieces and a sync. After each kill the store is
 * whole, and after each restart everything is as clients were told.
 */
export async function killModule(t: TestContext, kills: number): Promise<void> {
  const { cloud } = await openCloud(t, 'acr', [above])
  const parent = { connectionString: connectionString(syncToken, cloud.loginServer), repositories: [above] }
  const module = await aWritableModule(t, parent)
  const told: Told = { tags: new Map(), deleted: new Set(), upload: undefined }

  for (let turn = 0; turn < kills; turn++) {
    for (let image = 0; image < 4; image++) {
      cloud.contents.put(above, anImage({ seed: `above ${turn} ${image}`, layerSize: 300_000 }), `t${turn}-${image}`)
    }
    await module.start()
    await workUntilKilled(module, told, turn)

    const { problems } = await fsck(module.dataVolume, { content: true })
    assert.deepEqual(problems, [], `fsck after kill ${turn}`)
    await module.start()
    await checkTold(module, told)
    // So that the next start finds something to sync, and is killed amid it.
    await module.stop('SIGKILL')
  }
}

/** Several clients side by side; whatever fails once the module is killed was never told to be done. */
async function workUntilKilled(module: WritableModule, told: Told, turn: number): Promise<void> {
  const killAt = randomInt(1, 50)
  let answers = 0
  let killing: Promise<unknown> | undefined
  const answered = () => {
    if (++answers === killAt) killing = module.stop('SIGKILL')
  }
  const client = async (work: (step: number) => Promise<void>) => {
    for (let step = 0; !killing; step++) {
      try {
        await work(step)
      } catch (error) {
        if (!killing) throw error
      }
    }
  }
  await Promise.all([
    client((step) => push(module, told, `v${turn}-${step}`, answered)),
    client(() => removeOldest(module, told, answered)),
    client(() => pull(module, told, answered)),
    client(() => appendPiece(module, told, answered))
  ])
  await killing
}

async function push(module: WritableModule, told: Told, tag: string, answered: () => void): Promise<void> {
  const image: BuiltImage = anImage({ seed: tag, layers: 1, layerSize: 20_000 })
  await pushImage(image, { url: module.url(), repository: here, tag, authorization })
  told.tags.set(tag, image.manifest.descriptor.digest)
  answered()
}

async function removeOldest(module: WritableModule, told: Told, answered: () => void): Promise<void> {
  const [tag] = told.tags.size > 5 ? told.tags.keys() : []
  if (tag === undefined) return pull(module, told, answered)
  // Before it is asked for: who is killed in between does not know.
  told.tags.delete(tag)
  const { status } = await module.send('DELETE', `/v2/${here}/manifests/${tag}`)
  assert.equal(status, 202)
  told.deleted.add(tag)
  answered()
}

async function pull(module: WritableModule, told: Told, answered: () => void): Promise<void> {
  const tag = [...told.tags.keys()].at(-1)
  const answer = await module.send('GET', tag ? `/v2/${here}/manifests/${tag}` : '/v2/')
  assert.equal(answer.status, 200)
  await answer.arrayBuffer()
  answered()
}

async function appendPiece(module: WritableModule, told: Told, answered: () => void): Promise<void> {
  if (!told.upload) {
    const begun = await module.send('POST', `/v2/${here}/blobs/uploads/`)
    const bytes = randomBytes(`upload ${told.tags.size} ${told.deleted.size}`, 3_000_000)
    told.upload = { location: begun.headers.get('location')!, bytes, size: 0 }
  }
  const { upload } = told
  const piece = upload.bytes.subarray(upload.size, upload.size + 20_000)
  if (piece.length === 0) return pull(module, told, answered)
  const range = `${upload.size}-${upload.size + piece.length - 1}`
  const { status } = await module.send('PATCH', upload.location, { 'content-range': range }, piece)
  assert.equal(status, 202)
  upload.size += piece.length
  answered()
}

async function checkTold(module: WritableModule, told: Told): Promise<void> {
  for (const [tag, digest] of told.tags) {
    const answer = await module.send('GET', `/v2/${here}/manifests/${tag}`)
    assert.equal(answer.headers.get('docker-content-digest'), digest, `${tag}, which was pushed`)
  }
  for (const tag of told.deleted) {
    assert.equal((await module.send('HEAD', `/v2/${here}/manifests/${tag}`)).status, 404, `${tag}, which was deleted`)
  }
  for (const repository of [here, above]) await checkWhole(module, repository)
  if (told.upload) await completeUpload(module, told.upload)
  told.upload = undefined
}

/** No tag is there without all of its content. */
async function checkWhole(module: WritableModule, repository: string): Promise<void> {
  const list = await module.send('GET', `/v2/${repository}/tags/list`)
  if (list.status === 404) return
  const { tags } = (await list.json()) as { tags: readonly string[] }
  for (const tag of tags) {
    const answer = await module.send('GET', `/v2/${repository}/manifests/${tag}`)
    const text = await answer.text()
    assert.equal(answer.status, 200, `${repository}:${tag}: ${text}`)
    const { config, layers } = JSON.parse(text) as Record<'config', { digest: string }> & {
      layers: readonly { digest: string }[]
    }
    for (const { digest } of [config, ...layers]) {
      const blob = await module.send('GET', `/v2/${repository}/blobs/${digest}`)
      assert.equal(digestOf(new Uint8Array(await blob.arrayBuffer())), digest, `${repository}:${tag}`)
    }
  }
}

/** It goes on at the byte that its status names, which is no less than was acknowledged. */
async function completeUpload(
  module: WritableModule,
  { location, bytes, size }: NonNullable<Told['upload']>
): Promise<void> {
  const status = await module.send('GET', location)
  assert.equal(status.status, 204)
  const last = status.headers.get('range')?.split('-')[1]
  const held = last === '0' && size === 0 ? 0 : Number(last) + 1
  assert.ok(held >= size && held <= bytes.length, `${held} bytes are held, ${size} were acknowledged`)
  const finish = `${location}?digest=${digestOf(bytes)}`
  assert.equal((await module.send('PUT', finish, {}, bytes.subarray(held))).status, 201)
}
