import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '@connected-registry/edge-module/log.ts'
import { logClientChanges } from '../../modules/connected-registry/src/client-changes.ts'
import { anImage } from '../fixtures/image-builder.ts'
import { openRegistry, pushBlobs } from './registry/open-registry.ts'

test('what clients change is logged with the name of their token, what sync brings is not', async (t) => {
  const opened = await openRegistry(t)
  const { registry } = opened
  const lines: Record<string, unknown>[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const write = (text: string) => {
    lines.push(JSON.parse(text))
    if (lines.length === 3) resolve()
  }
  t.after(logClientChanges(registry.changes, createLog({ module: 'test', destination: { write } })))
  const image = anImage()
  const { digest } = image.manifest.descriptor
  await pushBlobs(opened, 'mine/tool', image)

  await registry.manifests.put('mine/tool', image.manifest, { origin: 'parent', tag: 'theirs' })
  await registry.tags.put('mine/tool', '1.0', digest, { origin: 'client:ci' })
  await registry.tags.remove('mine/tool', '1.0', { origin: 'client:ci' })
  await registry.manifests.remove('mine/tool', digest, { origin: 'client:ops' })
  await promise

  assert.deepEqual(
    lines.slice(0, 2).map(({ msg, tag, token }) => [msg, tag, token]),
    [
      ['tag moved', '1.0', 'ci'],
      ['tag removed', '1.0', 'ci']
    ]
  )
  assert.equal(
    lines.slice(2).every(({ token }) => token === 'ops'),
    true
  )
})
