import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOutbound } from '../../../modules/connected-registry/src/sync/outbound.ts'
import { anImage } from '../../fixtures/image-builder.ts'
import { openRegistry, pushBlobs } from '../registry/open-registry.ts'

test('a change is read from the log as soon as it can be seen, before whoever made it is told', async (t) => {
  const image = anImage()
  const { digest } = image.manifest.descriptor
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const { promise: isApplied, resolve: applied } = Promise.withResolvers<void>()
  const open = await openRegistry(t, {
    afterCommit({ put = [] }) {
      if (!put.some(([key]) => key.includes('v1'))) return
      applied()
      return told
    }
  })
  const outbound = createOutbound(open)
  await pushBlobs(open, 'app', image)
  await outbound.catchUp()

  const pushing = open.registry.manifests.put('app', image.manifest, { origin: 'client:line-1', tag: 'v1' })
  await isApplied
  await outbound.catchUp()

  assert.ok(await outbound.get('app', 'v1'))
  assert.ok(await outbound.get('app', digest))
  tell()
  await pushing
})
