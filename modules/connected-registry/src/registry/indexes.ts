import { parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseManifest } from '../protocol/manifest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import { addUses, hasSubject, isTagged, isUsed } from './links.ts'
import { type LinkRecord, pages } from './records.ts'
import type { TagRecord } from './registry.ts'
import { tagOf } from './tags.ts'
import { batchOf, type Draft, emptyDraft } from './transaction.ts'

const version = 1
const pageSize = 200

/**
 * The records that answer who names a digest, made once for a store that was filled before there were any. Before anything else
 * uses the store; a crash on the way makes it begin anew.
 */
export async function ensureIndexes(records: RecordStore, now: () => Date): Promise<void> {
  const key = keys.garbage('indexes')
  if ((await records.get(key)) === version) return
  for await (const page of pages(records, keys.repositories, pageSize)) {
    const repositories = page.map(([name]) => name.slice(keys.repositories.length))
    for (const repository of repositories) await indexRepository(records, repository, now)
  }
  await records.commit({ put: [[key, version]] })
}

async function indexRepository(records: RecordStore, repository: string, now: () => Date): Promise<void> {
  const onEach = (prefix: string, add: (draft: Draft, entry: Entry) => Promise<void>) =>
    eachPage(records, prefix, now, add)
  await onEach(keys.tags(repository), async (draft, [key, value]) => {
    const { digest } = value as unknown as TagRecord
    draft.put.push([keys.tagged(repository, digest, tagOf(key)), true])
  })
  await onEach(keys.links(repository), (draft, entry) => indexLink(records, draft, repository, entry))
  await onEach(keys.links(repository), (draft, entry) => queueUnnamed(records, draft, repository, entry))
}

async function eachPage(
  records: RecordStore,
  prefix: string,
  now: () => Date,
  add: (draft: Draft, entry: Entry) => Promise<void>
): Promise<void> {
  for await (const page of pages(records, prefix, pageSize)) {
    const draft = emptyDraft()
    for (const entry of page) await add(draft, entry)
    await records.commit(batchOf(draft, now()))
  }
}

async function indexLink(records: RecordStore, draft: Draft, repository: string, [key, value]: Entry): Promise<void> {
  const digest = parseDigest(key.slice(keys.links(repository).length))
  const link = value as LinkRecord
  if (!digest) return
  draft.put.push([keys.holder(digest, repository), true])
  const bytes = link.manifest ? await records.get(keys.manifest(digest)) : undefined
  if (!(bytes instanceof Uint8Array)) return
  try {
    addUses(draft, { repository, digest }, parseManifest(bytes, link.mediaType))
  } catch (error) {
    // What it names cannot be told; whatever else is here must be served all the same.
    if (!(error instanceof RegistryError)) throw error
  }
}

async function queueUnnamed(records: RecordStore, draft: Draft, repository: string, [key, value]: Entry) {
  const digest = parseDigest(key.slice(keys.links(repository).length))
  const link = value as LinkRecord
  const name = digest && { repository, digest }
  if (!name || (await isUsed(records, name))) return
  if (!link.manifest) draft.reviews.set(keys.linkReview(repository, name.digest), { cause: 'linked' })
  else if (!(await isTagged(records, name)) && !(await hasSubject(records, repository, link)))
    draft.reviews.set(keys.untaggedReview(repository, name.digest), {})
}
