import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { fsck } from '../../modules/connected-registry/src/integrity/fsck.ts'
import type { ParentConnection } from '../../modules/connected-registry/src/protocol/connection-string.ts'
import { parseManifest } from '../../modules/connected-registry/src/protocol/manifest.ts'
import { openStore, type Store } from '../../modules/connected-registry/src/store.ts'
import { temporaryFolder } from '../connected-registry/storage/temporary-folder.ts'
import { openSite, type TestSite, type TestSiteOptions } from '../connected-registry/sync/site.ts'
import type { CloudRegistry } from '../simulators/cloud-registry/cloud-registry.ts'

/** A site on a disk, which can be closed, examined and opened again. */
export interface DurableSite {
  readonly dataVolume: string
  readonly site: TestSite
  /** Its process ends in good order. */
  close(): Promise<void>
  open(): Promise<TestSite>
}

export interface DurableSiteOptions extends TestSiteOptions {
  /** In place of the stores themselves. */
  readonly medium?: (store: Store) => Pick<Store, 'blobs' | 'records'>
  /** Trusted beside the system's. */
  readonly certificateAuthorities?: readonly string[]
  /** One that is there already. */
  readonly dataVolume?: string
}

const impatient: TestSiteOptions = {
  dispatcher: {
    timeouts: { connectMs: 2_000, headersMs: 150, idleMs: 150 },
    retry: { retries: 1, firstPauseMs: 1 },
    breaker: { failures: 1e6 }
  },
  transfer: { pauseMs: () => 0, attempts: 2 }
}

export async function openDurableSite(
  t: TestContext,
  connection: ParentConnection,
  repositories: readonly string[],
  options: DurableSiteOptions = {}
): Promise<DurableSite> {
  const { medium = (store) => store, dataVolume: _, certificateAuthorities, ...more } = options
  const dataVolume = options.dataVolume ?? (await temporaryFolder())
  let store: Store | undefined
  let site: TestSite
  const close = async () => {
    await site.stop()
    await store?.close()
    store = undefined
  }
  const open = async () => {
    store = await openStore(dataVolume)
    const { blobs, records } = medium(store)
    const dispatcher = { ...impatient.dispatcher, certificateAuthorities }
    site = await openSite(t, connection, repositories, { ...impatient, ...more, dispatcher, blobs, records })
    return site
  }
  t.after(close)
  await open()
  return {
    dataVolume,
    get site() {
      return site
    },
    close,
    open
  }
}

/** Nothing is wrong with what is on the disk, every byte of it. */
export async function assertSound({ dataVolume }: Pick<DurableSite, 'dataVolume'>): Promise<void> {
  const { problems } = await fsck(dataVolume, { content: true })
  assert.deepEqual(problems, [])
}

/** Closes the site, examines it, opens it again, and syncs until all is said to be well: at most three rounds. */
export async function assertRecovery(durable: DurableSite, cloud: CloudRegistry): Promise<void> {
  await durable.close()
  await assertSound(durable)
  const site = await durable.open()
  let result = (await site.sync()).result
  for (let round = 0; round < 2 && result !== 'Succeeded'; round++) result = (await site.sync()).result
  assert.equal(result, 'Succeeded', JSON.stringify(site.board.read().details))
  await assertSame(site, cloud)
  await durable.close()
  await assertSound(durable)
}

/** The site holds what the parent holds, digest by digest, and nothing else. */
export async function assertSame(site: TestSite, cloud: CloudRegistry): Promise<void> {
  const contentAbove = new Set<string>()
  const repositories = cloud.contents.repositories()
  for (const name of repositories) {
    const above = cloud.contents.repository(name)!
    for (const { bytes, descriptor } of above.manifests.values()) {
      for (const { digest } of parseManifest(bytes, descriptor.mediaType).blobs) contentAbove.add(digest)
    }
    const manifests = await site.registry.manifests.list(name, { limit: 10_000 })
    assert.deepEqual(manifests.map(({ digest }) => digest).sort(), [...above.manifests.keys()].sort(), name)
    const tags = await site.registry.tags.list(name, { limit: 10_000 })
    const here = await Promise.all(tags.map(async (tag) => [tag, await site.tag(name, tag)] as const))
    assert.deepEqual(new Map(here), new Map([...above.tags].map(([tag, { digest }]) => [tag, digest])), name)
  }
  assert.deepEqual(await site.registry.repositories.list({ limit: 1000 }), repositories)
  const content = new Set<string>()
  for await (const digest of site.blobs.list()) content.add(digest)
  assert.deepEqual(content, contentAbove)
}
