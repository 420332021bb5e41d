import type { TagEntry } from '../parent/metadata.ts'
import type { ParentRepository } from '../parent/parent-registry.ts'
import type { Digest } from '../protocol/digest.ts'
import type { Looked } from './bases.ts'
import type { ListedDigest, MetadataListing } from './look.ts'

export interface MetadataLook {
  /** How the parent describes the repository now. */
  readonly looked: Looked
  /** Then only what is newer is asked for, latest first, and all of a list where that cannot tell. */
  readonly remembered?: MetadataListing
  readonly signal: AbortSignal
}

interface Entry {
  readonly lastUpdateTime: string
}

const newestPerPage = 100
/** A repository's own time may be a little ahead of its entries': what is older than both by so much was seen before. */
const marginMs = 60_000

/** What ACR's metadata lists: tags, and every manifest, tagged or not. */
export async function lookByMetadata(
  repository: ParentRepository,
  { looked, remembered, signal }: MetadataLook
): Promise<MetadataListing> {
  const newest = remembered && (await lookAtNewest(repository, { looked, remembered, signal }))
  const tags = newest?.tags ?? (await allTags(repository, signal))
  const digests = newest?.digests ?? (await allDigests(repository, signal))
  return { tags, digests, looked }
}

async function allTags(repository: ParentRepository, signal: AbortSignal): Promise<MetadataListing['tags']> {
  const tags = new Map<string, ListedDigest>()
  for await (const tag of repository.tagEntries(signal)) tags.set(tag.name, listed(tag))
  return tags
}

function listed({ digest, lastUpdateTime }: TagEntry): ListedDigest {
  return { digest, updatedAt: Date.parse(lastUpdateTime), since: lastUpdateTime }
}

async function allDigests(repository: ParentRepository, signal: AbortSignal): Promise<MetadataListing['digests']> {
  const digests = new Map<Digest, string | undefined>()
  for await (const { digest, createdTime } of repository.manifestEntries(signal)) digests.set(digest, createdTime)
  return digests
}

/** Either list is missing where something of it is gone, as its count tells; both where their order cannot be relied on. */
interface Newest {
  readonly tags?: MetadataListing['tags']
  readonly digests?: MetadataListing['digests']
}

async function lookAtNewest(
  repository: ParentRepository,
  { looked, remembered, signal }: Required<MetadataLook>
): Promise<Newest> {
  const since = remembered.looked.lastUpdateTime
  // Its clock was set back, or its store: what is new is older than what was seen.
  if (Date.parse(looked.lastUpdateTime) < Date.parse(since)) return {}
  const isTouched = looked.lastUpdateTime !== since
  const order = { orderby: 'timedesc', entriesPerPage: newestPerPage } as const
  const read = async <T extends Entry>(known: number, count: number, entries: AsyncIterable<T>) => {
    if (count < known) return undefined
    return isTouched || count > known ? newer(entries, Date.parse(since) - marginMs) : []
  }
  const { tagCount, manifestCount } = looked
  const freshTags = await read(remembered.tags.size, tagCount, repository.tagEntries(signal, order))
  const fresh = await read(remembered.digests.size, manifestCount, repository.manifestEntries(signal, order))

  const tags = new Map(remembered.tags)
  for (const tag of freshTags ?? []) tags.set(tag.name, listed(tag))
  const digests = new Map(remembered.digests)
  for (const { digest, createdTime } of fresh ?? []) digests.set(digest, createdTime)
  if (isTouched && freshTags && fresh && !explain([...freshTags, ...fresh], looked)) return {}
  const isPaged = [freshTags, fresh].some((entries) => entries && entries.length >= newestPerPage)
  // Pages that follow each other by time lose their place when an entry is touched meanwhile.
  if (isPaged && !(await isStillSo(repository, looked, signal))) return {}
  return {
    ...(freshTags && tags.size === tagCount && { tags }),
    ...(fresh && digests.size === manifestCount && { digests })
  }
}

/** Undefined: they do not come latest first, whatever was asked for. */
async function newer<T extends Entry>(entries: AsyncIterable<T>, seenUntil: number): Promise<T[] | undefined> {
  const found: T[] = []
  let last = Number.POSITIVE_INFINITY
  for await (const entry of entries) {
    const time = Date.parse(entry.lastUpdateTime)
    if (time > last) return undefined
    if (time < seenUntil) break
    found.push(entry)
    last = time
  }
  return found
}

/** A repository that was touched must show what touched it: who lists by another order would hide that. */
function explain(fresh: readonly Entry[], { lastUpdateTime }: Looked): boolean {
  const touched = Date.parse(lastUpdateTime) - marginMs
  return fresh.some((entry) => Date.parse(entry.lastUpdateTime) >= touched)
}

async function isStillSo(repository: ParentRepository, looked: Looked, signal: AbortSignal): Promise<boolean> {
  const now = await repository.attributes(signal)
  if (!now || now === 'unsupported') return false
  const { lastUpdateTime, tagCount, manifestCount } = now
  return (
    lastUpdateTime === looked.lastUpdateTime && tagCount === looked.tagCount && manifestCount === looked.manifestCount
  )
}
