import type { Digest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import type { TagRecord } from './registry.ts'

/**
 * What the catalog's records hold (their keys: `storage/layout.ts`). `removal` marks what is being removed, and names that one
 * removal: who writes here meanwhile takes the mark away, and the removal, which expects it, fails.
 */
export type RepositoryRecord = {
  /** RFC 3339, UTC. */
  readonly createdAt: string
  readonly removal?: string
}

/** Content a repository holds. The same bytes may be there both as a manifest and as a blob. */
export type LinkRecord = {
  readonly mediaType: string
  readonly size: number
  readonly manifest: boolean
  readonly blob: boolean
  /** A manifest's. */
  readonly subject?: Digest
  /** A manifest's: when it came, RFC 3339. Older stores do not say. */
  readonly createdAt?: string
  /** An image's, as its manifest and its configuration tell. */
  readonly image?: ImageFacts
  readonly removal?: string
}

export type ImageFacts = {
  /** Bytes of its configuration and all layers. */
  readonly size: number
  readonly configMediaType: string
  readonly architecture?: string
  readonly os?: string
}

/** The last entry of the change log about a repository. */
export type UpdatedRecord = {
  /** RFC 3339, UTC. */
  readonly at: string
  readonly sequence: number
}

export async function getRepository(records: RecordStore, repository: string): Promise<RepositoryRecord | undefined> {
  return (await records.get(keys.repository(repository))) as RepositoryRecord | undefined
}

export async function getUpdated(records: RecordStore, repository: string): Promise<UpdatedRecord | undefined> {
  return (await records.get(keys.updated(repository))) as UpdatedRecord | undefined
}

export async function getLink(
  records: RecordStore,
  repository: string,
  digest: Digest
): Promise<LinkRecord | undefined> {
  return (await records.get(keys.link(repository, digest))) as LinkRecord | undefined
}

export async function getTag(records: RecordStore, repository: string, tag: string): Promise<TagRecord | undefined> {
  return (await records.get(keys.tag(repository, tag))) as TagRecord | undefined
}

/** Every record below a prefix, or those of them `behind` a key, a page at a time. What a page's reader removes does not disturb the next page. */
export async function* pages(
  records: RecordStore,
  prefix: string,
  limit: number,
  behind?: string
): AsyncGenerator<readonly Entry[]> {
  let after = behind
  do {
    const page: readonly Entry[] = await records.list(prefix, { after, limit })
    if (page.length > 0) yield page
    after = page.length === limit ? page.at(-1)?.[0] : undefined
  } while (after !== undefined)
}
