import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anImage } from '../../fixtures/image-builder.ts'
import { type Fault, type RequestMatcher, serverError } from '../../simulators/cloud-registry/faults.ts'
import { openCloud } from './parents.ts'
import { openSite } from './site.ts'

const repository = 'plant/app'

const firstRounds: readonly (readonly [what: string, on: RequestMatcher, fault: Fault])[] = [
  ['a layer that does not come', { route: 'data' }, { kind: 'wrong-bytes' }],
  ['a parent that refuses to tell of the repository', { route: 'metadata' }, serverError(403)]
]

for (const [what, on, fault] of firstRounds)
  test(`${what} in the first round after the scope became wider is asked for in the second, though nothing changed above`, async (t) => {
    const { connection, cloud } = await openCloud(t, 'acr', [repository])
    for (const tag of ['1.0.0', '2.0.0']) cloud.contents.put(repository, anImage({ seed: tag }), tag)
    const site = await openSite(t, connection, [])
    const wish = site.wish([[repository, { tags: { semver: '1' } }]])
    site.engine.apply(wish)
    await site.sync()
    const rule = cloud.faults.add(on, fault)
    site.engine.apply({ ...wish, patterns: site.wish([repository]).patterns })
    assert.equal((await site.sync()).result, 'Failed')
    rule.remove()

    const { result } = await site.sync()

    assert.equal(result, 'Succeeded')
    assert.deepEqual(await site.registry.tags.list(repository, { limit: 10 }), ['1.0.0', '2.0.0'])
    cloud.clearRequests()
    await site.sync()
    assert.equal(cloud.requests.length, 1, 'it is finished with')
  })
