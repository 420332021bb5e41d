import type { Digest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { manifestAttributes, type RepositoryListing, readListing } from './metadata-listing.ts'
import { getLink, getRepository, getTag, getUpdated, type ImageFacts, type UpdatedRecord } from './records.ts'
import { tagsAt } from './tags.ts'

/** A repository as ACR's metadata API describes it (ACR, "Data plane"). Undefined: not here. Times are RFC 3339, UTC. */
export interface Metadata {
  repository(repository: string): Promise<RepositoryAttributes | undefined>
  /** A page of tags, of those at `digest` where one is given. */
  tags(repository: string, query: EntryQuery & { readonly digest?: Digest }): Promise<readonly TagAttributes[]>
  tag(repository: string, tag: string): Promise<TagAttributes | undefined>
  manifests(repository: string, query: EntryQuery): Promise<readonly ManifestAttributes[]>
  manifest(repository: string, digest: Digest): Promise<ManifestAttributes | undefined>
}

export interface EntryQuery {
  /** By name or digest, or by the time of the last change; what changed at the same time is in the order of its name. */
  readonly order: 'name' | 'timeasc' | 'timedesc'
  /** The name or digest of the last entry of the page before. */
  readonly after?: string
  readonly limit: number
}

export interface RepositoryAttributes {
  readonly createdAt: string
  /** Another one after each change. */
  readonly updatedAt: string
  readonly tagCount: number
  readonly manifestCount: number
}

export interface TagAttributes {
  readonly name: string
  readonly digest: Digest
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ManifestAttributes {
  readonly digest: Digest
  readonly mediaType: string
  readonly createdAt: string
  readonly updatedAt: string
  readonly image?: ImageFacts
  readonly tags: readonly string[]
}

/** Repositories whose listing is kept until they change, and what one of those may hold at most. */
const keptListings = 16
const keptEntries = 20_000
const keptCounts = 1000

export function createMetadata({ records }: { readonly records: RecordStore }): Metadata {
  const listings = createRevisionCache<RepositoryListing>(keptListings)
  const counts = createRevisionCache<RepositoryAttributes>(keptCounts)

  async function listing(repository: string): Promise<RepositoryListing> {
    // Read before the listing, so that a change in between makes the listing look older than it is, never newer.
    const revision = await revisionOf(repository)
    const known = listings.get(repository, revision)
    if (known) return known
    const fresh = await readListing(records, repository)
    if (fresh.tags.length + fresh.manifests.length <= keptEntries) listings.set(repository, revision, fresh)
    return fresh
  }

  // What the collector removes is not in the change log.
  async function revisionOf(repository: string): Promise<string> {
    const updated = await getUpdated(records, repository)
    return `${updated?.sequence ?? 0} ${(await records.get(keys.collected(repository))) ?? ''}`
  }

  return {
    async repository(repository) {
      const record = await getRepository(records, repository)
      if (!record) return undefined
      const revision = await revisionOf(repository)
      const known = counts.get(repository, revision)
      if (known?.createdAt === record.createdAt) return known
      const updated = await getUpdated(records, repository)
      const { tags, manifests } = await listing(repository)
      const times = { createdAt: record.createdAt, updatedAt: updated ? timeOf(updated) : record.createdAt }
      const attributes = { ...times, tagCount: tags.length, manifestCount: manifests.length }
      counts.set(repository, revision, attributes)
      return attributes
    },
    async tags(repository, { digest, ...query }) {
      const { tags } = await listing(repository)
      return pageOf(digest ? tags.filter((tag) => tag.digest === digest) : tags, query, ({ name }) => name)
    },
    async tag(repository, name) {
      const record = await getTag(records, repository, name)
      if (!record) return undefined
      const { digest, updatedAt, createdAt = updatedAt } = record
      return { name, digest, createdAt, updatedAt }
    },
    async manifests(repository, query) {
      const { manifests } = await listing(repository)
      return pageOf(manifests, query, ({ digest }) => digest)
    },
    async manifest(repository, digest) {
      const link = await getLink(records, repository, digest)
      if (!link?.manifest) return undefined
      const createdAt = (await getRepository(records, repository))?.createdAt ?? ''
      const tags = (await tagsAt(records, repository, digest)).map(([tag]) => tag)
      return manifestAttributes(digest, link, { createdAt, tags })
    }
  }
}

/**
 * To a ten-millionth of a second, as ACR has it; below the millisecond it is no time, but tells two changes apart: whoever looked
 * between them would otherwise take the second one for seen.
 */
function timeOf({ at, sequence }: UpdatedRecord): string {
  return `${at.slice(0, -1)}${String(sequence % 10_000).padStart(4, '0')}Z`
}

/** Entries come in the order of their names. One that is gone is no place in an order by time: that starts anew. */
function pageOf<Entry extends { readonly updatedAt: string }>(
  entries: readonly Entry[],
  { order, after, limit }: EntryQuery,
  nameOf: (entry: Entry) => string
): readonly Entry[] {
  const sorted = order === 'name' ? entries : entries.toSorted(byTime(order))
  if (after === undefined) return sorted.slice(0, limit)
  const at = sorted.findIndex((entry) => nameOf(entry) === after)
  if (at >= 0 || order !== 'name') return sorted.slice(at + 1, at + 1 + limit)
  const next = sorted.findIndex((entry) => isBehind(nameOf(entry), after))
  return next < 0 ? [] : sorted.slice(next, next + limit)
}

function byTime(order: 'timeasc' | 'timedesc') {
  const later = order === 'timeasc' ? 1 : -1
  return (one: { readonly updatedAt: string }, other: { readonly updatedAt: string }) =>
    one.updatedAt === other.updatedAt ? 0 : one.updatedAt > other.updatedAt ? later : -later
}

// The order of the keys of tags (`storage/layout.ts`); digests are in lower case.
function isBehind(name: string, after: string): boolean {
  const [one, other] = [`${name.toLowerCase()} ${name}`, `${after.toLowerCase()} ${after}`]
  return one > other
}

interface RevisionCache<T> {
  get(repository: string, revision: string): T | undefined
  set(repository: string, revision: string, value: T): void
}

function createRevisionCache<T>(limit: number): RevisionCache<T> {
  const held = new Map<string, { readonly revision: string; readonly value: T }>()
  return {
    get: (repository, revision) => {
      const found = held.get(repository)
      return found?.revision === revision ? found.value : undefined
    },
    set: (repository, revision, value) => {
      held.delete(repository)
      held.set(repository, { revision, value })
      const [oldest] = held.keys()
      if (oldest !== undefined && held.size > limit) held.delete(oldest)
    }
  }
}
