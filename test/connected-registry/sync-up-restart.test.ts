import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import { anImage, blobsOf } from '../fixtures/image-builder.ts'
import { pushImage } from '../fixtures/push-image.ts'
import type { RequestMatcher } from '../simulators/cloud-registry/faults.ts'
import { connectionString } from '../simulators/world.ts'
import { openCloud, syncToken, writeRights } from './sync/parents.ts'
import { authorization, aWritableModule, type WritableModule } from './writable-module.ts'

const repository = 'plant/app'

/** Where the parent is when the process is killed, one after the other. */
const moments: readonly RequestMatcher[] = [
  { method: 'POST', route: 'upload' },
  { method: 'PATCH', route: 'upload' },
  { method: 'PUT', route: 'upload' },
  { method: 'PUT', path: /manifests\/sha256/ },
  { method: 'PUT', path: /manifests\/1\.0$/ }
]

test('killed again and again amid a push to its parent, it repeats little and loses nothing', async (t) => {
  const { cloud } = await openCloud(t, 'acr', [repository], { rights: writeRights })
  cloud.contents.put(repository, anImage({ seed: 'there before' }), 'before')
  const image = anImage({ seed: 'large', layers: 1, layerSize: 20_000_000 })
  const parent = { connectionString: connectionString(syncToken, cloud.loginServer), repositories: [repository] }
  const module = await aWritableModule(t, parent)
  await module.start()
  await pushImage(image, { url: module.url(), repository, tag: '1.0', authorization })
  await module.stop('SIGKILL')

  for (const moment of moments) {
    const reached = cloud.nextRequest(moment, t.signal)
    // A start begins with a round.
    await module.start()
    await reached
    await module.stop('SIGKILL')
  }
  await module.start()
  // A round that finds everything there tells nothing; so it is asked of the process itself.
  await settled(module, AbortSignal.any([t.signal, AbortSignal.timeout(60_000)]))
  await module.stop('SIGTERM')

  assert.equal(cloud.contents.repository(repository)?.tags.get('1.0')?.digest, image.manifest.descriptor.digest)
  for (const [digest, bytes] of blobsOf(image)) {
    assert.ok(Buffer.from(cloud.contents.blob(repository, digest)!).equals(bytes), `${digest} is whole above`)
  }
  const chunks = cloud.requests.filter(({ method }) => method === 'PATCH').length
  assert.ok(chunks <= 3 + moments.length, `${chunks} chunks went up for 3`)
  assert.deepEqual((await fsck(module.dataVolume)).problems, [])
})

interface Status {
  readonly sync: { readonly pending: { readonly up?: { readonly references: number } }; readonly lastSuccess?: string }
}

/** Asks until nothing is to go up any more. */
async function settled(module: WritableModule, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    const answer = await module.send('GET', '/status')
    const { sync } = (await answer.json()) as Status
    if (sync.lastSuccess !== undefined && sync.pending.up?.references === 0) return
    await turn()
  }
}
