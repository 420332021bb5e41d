import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createSqliteRecordStore } from '../../../modules/connected-registry/src/storage/sqlite.ts'
import { anImage, aReferrer } from '../../fixtures/image-builder.ts'
import { temporaryFolder } from '../storage/temporary-folder.ts'
import { openCloud, syncToken } from './parents.ts'
import { openSite } from './site.ts'

const image = anImage({ seed: 'image', layerSize: 10 })
/** Beside one for each repository: for tokens and the catalog. */
const extraRequests = 10
const dayMs = 24 * 3_600_000

export interface IdleSize {
  /** At least 10 repositories, with at least 10 tags each. */
  readonly repositories: number
  readonly tags: number
}

/** So many repositories of so many tags, in agreement. */
async function openLargeSite(t: TestContext, size: IdleSize) {
  const repositories = Array.from({ length: size.repositories }, (_, each) => `plant/line-${each}`)
  const tags = Array.from({ length: size.tags }, (_, each) => `1.${each}`)
  const clock = { now: Date.now() }
  const { connection, cloud } = await openCloud(t, 'acr', ['plant/*'], { now: () => clock.now })
  for (const name of repositories) {
    cloud.contents.put(name, image)
    for (const tag of tags) cloud.contents.tag(name, tag, image.manifest.descriptor.digest)
  }
  const records = await createSqliteRecordStore(join(await temporaryFolder(), 'records'))
  t.after(() => records.close())
  const site = await openSite(t, connection, repositories, { records })
  await site.sync()
  const round = async () => {
    cloud.clearRequests()
    const { result } = await site.sync()
    return { result, requests: cloud.requests.length }
  }
  return { cloud, site, clock, round, repositories }
}

/** What a round asks that finds nothing to do, or little. */
export async function assertIdleRounds(t: TestContext, size: IdleSize): Promise<void> {
  const { cloud, site, clock, round, repositories } = await openLargeSite(t, size)
  const requestLimit = size.repositories + extraRequests

  await t.test('one request for each repository, in every round', async () => {
    const rounds = []
    for (let each = 0; each < 11; each++) rounds.push(await round())

    assert.deepEqual(rounds, Array(11).fill({ result: 'Succeeded', requests: repositories.length }))
  })

  await t.test('a few more where every access token is over', async () => {
    clock.now += dayMs

    const { result, requests } = await round()

    assert.equal(result, 'Succeeded')
    assert.ok(requests <= requestLimit, `${requests} requests`)
  })

  await t.test('a referrer attached later and an untag are found within it', async () => {
    clock.now += dayMs
    const signature = aReferrer(image, { artifactType: 'application/vnd.example.signature' })
    cloud.contents.put('plant/line-4', signature)
    cloud.contents.untag('plant/line-7', '1.5')

    const { requests } = await round()

    assert.ok(await site.holds('plant/line-4', signature.manifest.descriptor.digest))
    assert.equal(await site.tag('plant/line-7', '1.5'), undefined)
    const looks = cloud.requests.filter(({ route, url }) => route === 'metadata' || isToken(url, 'metadata_read'))
    assert.ok(looks.length <= requestLimit, `${requests} requests, ${looks.length} of them to look`)
  })

  await t.test('also with a pattern, and a catalog that is refused', async () => {
    await site.scope(['plant/*'])
    await site.sync()
    clock.now += dayMs

    const { requests } = await round()

    assert.deepEqual(site.codes(), ['SCOPE_UNKNOWN'])
    assert.ok(requests <= requestLimit, `${requests} requests`)
  })

  await t.test('a repository that the token may no longer read costs its own requests only', async () => {
    const rights = ['content/read', 'metadata/read']
    const granted = repositories.filter((name) => name !== 'plant/line-4')
    const actions = granted.flatMap((name) => rights.map((right) => `repositories/${name}/${right}`))
    cloud.tokens.set({ ...syncToken, actions })
    clock.now += dayMs
    await round()

    const { requests } = await round()

    assert.ok(site.codes().includes('DENIED'))
    assert.ok(requests <= requestLimit, `${requests} requests`)
  })
}

function isToken(url: string, action: string): boolean {
  return url.startsWith('/oauth2/token') && url.includes(action)
}
