import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'
import { digestOf, first, repository, second, third } from './writing-site.ts'

const tagsOf = { limit: 10 }
const signature = anImage({ seed: 'signature', artifactType: 'application/vnd.example' })
const signatureTag = `${digestOf(first).replace(':', '-')}.sig`

const failures = {
  'whose content is wrong': { on: { route: 'data' }, fault: { kind: 'wrong-bytes' } },
  'whose tag cannot be read': { on: { path: /manifests\/2\.0\.0$/ }, fault: serverError(500) }
} as const

/** The first image is here with its signature, as the newest of them. */
async function openVersions(t: TestContext, kind: 'acr' | 'plain', newest = 1) {
  const { connection, cloud } = await openCloud(t, kind, [repository])
  cloud.contents.put(repository, first, '1.0.0')
  cloud.contents.put(repository, signature, signatureTag)
  if (newest > 1) cloud.contents.put(repository, third, '1.1.0')
  const site = await openSite(t, connection, [[repository, { tags: { semver: '*', newest } }]])
  await site.sync()
  return { cloud, site, tags: () => site.registry.tags.list(repository, tagsOf) }
}

for (const kind of ['acr', 'plain'] as const)
  for (const [why, { on, fault }] of Object.entries(failures)) {
    if (kind === 'acr' && 'path' in on) continue
    test(`${kind}: the newest image stays until its successor, ${why}, is here`, async (t) => {
      const { cloud, site, tags } = await openVersions(t, kind)
      cloud.contents.put(repository, second, '2.0.0')
      const rule = cloud.faults.add(on, fault)

      for (const round of [1, 2]) {
        const { result, removed } = await site.sync()
        assert.deepEqual([result, removed], ['Failed', 0], `round ${round}`)
        assert.deepEqual(await tags(), ['1.0.0', signatureTag])
      }

      rule.remove()
      assert.equal((await site.sync()).result, 'Succeeded')
      assert.deepEqual(await tags(), ['2.0.0'])
    })
  }

test('an image that is followed by a later one before it ever came keeps nothing here', async (t) => {
  const { cloud, site, tags } = await openVersions(t, 'plain')
  cloud.contents.put(repository, second, '2.0.0')
  const rule = cloud.faults.add({ route: 'data' }, { kind: 'wrong-bytes' })
  await site.sync()
  rule.remove()
  cloud.contents.put(repository, third, '3.0.0')

  assert.equal((await site.sync()).result, 'Succeeded')

  assert.deepEqual(await tags(), ['3.0.0'])
  assert.equal(await site.tag(repository, '3.0.0'), digestOf(third))
})

test('a tag that is gone above goes, also where another one cannot be brought', async (t) => {
  const { cloud, site, tags } = await openVersions(t, 'plain', 2)
  cloud.contents.untag(repository, '1.0.0')
  cloud.contents.put(repository, second, '2.0.0')
  cloud.faults.add({ route: 'data' }, { kind: 'wrong-bytes' })

  assert.equal((await site.sync()).removed, 2)

  assert.deepEqual(await tags(), ['1.1.0'])
})
