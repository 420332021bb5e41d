import { setImmediate } from 'node:timers/promises'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { keys } from '../storage/layout.ts'
import type { Entry, RecordStore } from '../storage/record-store.ts'
import type { ManifestAttributes, TagAttributes } from './metadata.ts'
import { getRepository, type LinkRecord, pages } from './records.ts'
import type { TagRecord } from './registry.ts'
import { tagOf } from './tags.ts'

/** Everything that can be named in a repository, in the order of its names. */
export interface RepositoryListing {
  readonly tags: readonly TagAttributes[]
  readonly manifests: readonly ManifestAttributes[]
}

export async function readListing(records: RecordStore, repository: string): Promise<RepositoryListing> {
  const tags: TagAttributes[] = []
  for await (const entry of entriesOf(records, keys.tags(repository))) tags.push(tagAttributes(entry))
  const tagsOf = new Map<Digest, string[]>()
  for (const { name, digest } of tags) {
    const names = tagsOf.get(digest)
    if (names) names.push(name)
    else tagsOf.set(digest, [name])
  }
  const createdAt = (await getRepository(records, repository))?.createdAt ?? ''
  const manifests: ManifestAttributes[] = []
  const prefix = keys.links(repository)
  for await (const [key, value] of entriesOf(records, prefix)) {
    const digest = parseDigest(key.slice(prefix.length))
    const link = value as LinkRecord
    if (!digest || !link.manifest) continue
    manifests.push(manifestAttributes(digest, link, { createdAt, tags: tagsOf.get(digest) ?? [] }))
  }
  return { tags, manifests }
}

// The store reads without waiting: between pages others get their turn.
async function* entriesOf(records: RecordStore, prefix: string): AsyncGenerator<Entry> {
  for await (const page of pages(records, prefix, 1000)) {
    yield* page
    if (page.length === 1000) await setImmediate()
  }
}

function tagAttributes([key, value]: Entry): TagAttributes {
  const { digest, updatedAt, createdAt = updatedAt } = value as unknown as TagRecord
  return { name: tagOf(key), digest, createdAt, updatedAt }
}

/** A manifest never changes: what happened to it last is that it came. `createdAt`: the repository's, for older stores. */
export function manifestAttributes(
  digest: Digest,
  { mediaType, image, ...link }: LinkRecord,
  { createdAt, tags }: { readonly createdAt: string; readonly tags: readonly string[] }
): ManifestAttributes {
  const came = link.createdAt ?? createdAt
  return { digest, mediaType, createdAt: came, updatedAt: came, ...(image && { image }), tags }
}
