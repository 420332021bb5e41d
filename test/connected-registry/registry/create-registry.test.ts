import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRegistry } from '../../../modules/connected-registry/src/registry/create-registry.ts'
import type { Change, Registry } from '../../../modules/connected-registry/src/registry/registry.ts'
import { createMemoryBlobStore } from '../../../modules/connected-registry/src/storage/memory-blobs.ts'
import { createMemoryRecordStore } from '../../../modules/connected-registry/src/storage/memory-records.ts'
import type { RecordStore } from '../../../modules/connected-registry/src/storage/record-store.ts'
import { anIndex } from '../../fixtures/image-builder.ts'

const leaves = ['a', 'b', 'c'].map((name) => anIndex([], { annotations: { name } }))
const manifests = [...leaves, anIndex([leaves[0]!])]
const digests = manifests.map(({ manifest }) => manifest.descriptor.digest)
const parent = 3

const stepShape = {
  action: fc.constantFrom(...(['put', 'put', 'tag', 'untag', 'remove', 'drop'] as const)),
  repository: fc.constantFrom('app', 'app/sub'),
  manifest: fc.nat(manifests.length - 1),
  tag: fc.constantFrom('v1', 'v2')
}
const step = fc.record(stepShape)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** repository/tag -> digest, and repository/digest. */
interface Catalog {
  readonly tags: Map<string, string>
  readonly links: Set<string>
}

test('one after the other, changes do what a map of tags and a set of manifests would do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const registry = await createRegistry({ blobs: createMemoryBlobStore(), records: createMemoryRecordStore() })
      const model: Catalog = { tags: new Map(), links: new Set() }

      for (const step of steps) {
        const possible = apply(model, step)
        const done = await run(registry, step)
        assert.equal(done, possible)
      }

      assert.deepEqual(await catalogOf(registry), sorted(model))
      assert.deepEqual(sorted(replay(await registry.changes.read(0, 1000))), sorted(model))
    }),
    { numRuns: 150 }
  )
})

test('all at once and in any order, the log tells exactly what the catalog holds, and every tag has its content', async () => {
  // Few names, all of them there at first: so that the steps get in each other's way.
  const crowded = fc.record({ ...stepShape, repository: fc.constant('app'), manifest: fc.constantFrom(0, parent) })
  const steps = fc.array(crowded, { minLength: 2, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), steps, async (scheduler, steps) => {
      const records = createMemoryRecordStore()
      const deps = { blobs: createMemoryBlobStore(), records: inAnyOrder(records, scheduler) }
      const registry = await scheduler.waitFor(createRegistry(deps))
      const first = [...manifests.keys()].map(
        (manifest) => ({ action: 'put', repository: 'app', manifest, tag: 'v1' }) as const
      )
      for (const step of first) await scheduler.waitFor(run(registry, step))

      await scheduler.waitFor(Promise.all(steps.map((step) => run(registry, step))))

      const catalog = await catalogOf(await createRegistry({ blobs: createMemoryBlobStore(), records }))
      const changes = await records.list('change:', { limit: 1000 })
      assert.deepEqual(sorted(replay(changes.map(([, value]) => value as unknown as Change))), catalog)
      for (const [name, digest] of catalog.tags) assert.ok(catalog.links.includes(`${name.split(' ')[0]} ${digest}`))
    }),
    { numRuns: 400 }
  )
})

/** Answers come late and in any order; batches are applied in the order of the calls all the same. */
function inAnyOrder(records: RecordStore, scheduler: fc.Scheduler): RecordStore {
  return {
    ...records,
    get: (key) => scheduler.schedule(Promise.resolve(records.get(key))),
    list: (prefix, page) => scheduler.schedule(Promise.resolve(records.list(prefix, page))),
    commit: (batch) => scheduler.schedule(records.commit(batch))
  }
}

/** False: refused, or nothing was there. Any other failure is the registry's. */
async function run(registry: Registry, { action, repository, manifest, tag }: Step): Promise<boolean> {
  const origin = 'parent'
  const digest = digests[manifest]!
  try {
    if (action === 'put') await registry.manifests.put(repository, manifests[manifest]!.manifest, { origin, tag })
    else if (action === 'tag') await registry.tags.put(repository, tag, digest, { origin })
    else if (action === 'untag') return await registry.tags.remove(repository, tag, { origin })
    else if (action === 'remove') return await registry.manifests.remove(repository, digest, { origin })
    else return await registry.repositories.remove(repository, origin)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'MANIFEST_UNKNOWN' || code === 'MANIFEST_BLOB_UNKNOWN' || code === 'CONFLICT') return false
    throw error
  }
}

/** False: not possible now. A repository is there from its first manifest on, also when it is empty again. */
function apply({ tags, links }: Catalog, { action, repository, manifest, tag }: Step): boolean {
  const [name, link] = [`${repository} ${tag}`, `${repository} ${digests[manifest]}`]
  const linked = links.has(link)
  if (action === 'put' && manifest === parent && !links.has(`${repository} ${digests[0]}`)) return false
  if (action === 'put') links.add(link).add(repository)
  if (action === 'put' || (action === 'tag' && linked)) tags.set(name, digests[manifest]!)
  if (action === 'untag') return tags.delete(name)
  if (action === 'remove')
    dropFrom(tags, ([key, value]) => key.startsWith(`${repository} `) && value === digests[manifest])
  if (action === 'remove') return links.delete(link)
  if (action === 'drop') dropFrom(tags, ([key]) => key.startsWith(`${repository} `))
  if (action === 'drop') for (const digest of digests) links.delete(`${repository} ${digest}`)
  return action === 'drop' ? links.delete(repository) : action === 'put' || linked
}

function dropFrom(tags: Map<string, string>, gone: (entry: [string, string]) => boolean): void {
  for (const entry of [...tags]) if (gone(entry)) tags.delete(entry[0])
}

/** Strict: an entry that tells of what was so already, or of what was not there, is a fault of the log. */
function replay(changes: readonly Change[]): Catalog {
  const catalog: Catalog = { tags: new Map(), links: new Set() }
  for (const { action, repository, tag, digest } of changes) {
    const [name, link] = [`${repository} ${tag}`, `${repository} ${digest}`]
    if (action === 'push') assert.ok(!catalog.links.has(link), `${link} was pushed twice`)
    if (action === 'delete') assert.ok(catalog.links.delete(link), `${link} was deleted twice`)
    if (action === 'untag') assert.equal(catalog.tags.get(name), digest)
    if (action === 'untag') catalog.tags.delete(name)
    if (action === 'tag')
      assert.ok(catalog.links.has(link) && catalog.tags.get(name) !== digest, `${name} did not move`)
    if (action === 'tag') catalog.tags.set(name, digest)
    if (action === 'push') catalog.links.add(link)
  }
  return catalog
}

async function catalogOf(registry: Registry) {
  const catalog: Catalog = { tags: new Map(), links: new Set() }
  for (const repository of await registry.repositories.list({ limit: 10 })) {
    for (const tag of await registry.tags.list(repository, { limit: 100 })) {
      catalog.tags.set(`${repository} ${tag}`, (await registry.tags.get(repository, tag))!.digest)
    }
    for (const { digest } of await registry.manifests.list(repository, { limit: 100 })) {
      catalog.links.add(`${repository} ${digest}`)
    }
  }
  return sorted(catalog)
}

function sorted({ tags, links }: Catalog) {
  return { tags: [...tags].sort(), links: [...links].filter((link) => link.includes(' ')).sort() }
}
