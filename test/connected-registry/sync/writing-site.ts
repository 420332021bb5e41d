import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { anImage, type BuiltImage } from '../../fixtures/image-builder.ts'
import { openParent, type ParentKind, writeRights } from './parents.ts'
import { openSite, type TestSite } from './site.ts'

export const repository = 'plant/app'
/** As which clients of the site change things. */
export const client = { origin: 'client:line-1' } as const
export const digestOf = ({ manifest }: BuiltImage) => manifest.descriptor.digest
export const [first, second, third] = ['first', 'second', 'third'].map((seed) => anImage({ seed })) as [
  BuiltImage,
  BuiltImage,
  BuiltImage
]

/** A parent that lets its site write, with `first` as `v1` on both sides. Undefined: not on this machine. */
export async function openPair(t: TestContext, kind: ParentKind, scope: readonly string[] = [repository]) {
  const parent = await openParent(t, kind, [repository, 'plant/new'], { rights: writeRights })
  if (!parent) return undefined
  await parent.put(repository, first, 'v1')
  const site = await openSite(t, parent.connection, scope, { mode: 'ReadWrite' })
  await site.sync()
  return { parent, site }
}

/** Another round asks, and changes nothing on either side. */
export async function assertRest(site: TestSite): Promise<void> {
  const head = site.registry.changes.head()
  const { artifacts, removed, sent } = await site.resync()
  assert.deepEqual({ artifacts, removed, sent }, { artifacts: 0, removed: 0, sent: { artifacts: 0, bytes: 0 } })
  assert.equal(site.registry.changes.head(), head)
  assert.equal(site.board.read().pendingUp?.references, 0)
}
