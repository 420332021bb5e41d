import type { Digest } from '../protocol/digest.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { getLink, type LinkRecord } from './records.ts'
import type { Draft } from './transaction.ts'

export interface LinkName {
  readonly repository: string
  readonly digest: Digest
}

/** Adds a link that is not there yet. */
export function addLink(draft: Draft, { repository, digest }: LinkName, link: LinkRecord): void {
  draft.put.push([keys.link(repository, digest), link], [keys.holder(digest, repository), true])
  draft.remove.push(keys.contentReview(digest))
}

/** Takes a link away whole. The content is reviewed: it may have been the last one. `since`: where its wait began earlier. */
export function removeLink(draft: Draft, { repository, digest }: LinkName, since?: string): void {
  const gone = [keys.linkReview(repository, digest), keys.untaggedReview(repository, digest)]
  for (const key of gone) draft.reviews.delete(key)
  draft.remove.push(keys.link(repository, digest), keys.holder(digest, repository), ...gone)
  draft.reviews.set(keys.contentReview(digest), { since })
}

/** Notes that a manifest names what it names; nothing of that waits for a review any more. */
export function addUses(draft: Draft, { repository, digest }: LinkName, manifest: Manifest): void {
  for (const named of blobsOf(manifest)) {
    draft.put.push([keys.use(repository, named, digest), true])
    draft.remove.push(keys.linkReview(repository, named))
  }
  for (const named of childrenOf(manifest)) {
    draft.put.push([keys.use(repository, named, digest), true])
    draft.remove.push(keys.untaggedReview(repository, named))
  }
}

/** What a manifest names. `since`: from when on a manifest of an index counts as untagged, where that is not now. */
export interface NamedContent {
  readonly blobs: Iterable<Digest>
  readonly children: Iterable<Digest>
  readonly since?: ReadonlyMap<Digest, string>
}

/** Takes back what `addUses` noted. */
export function removeUses(
  draft: Draft,
  { repository, digest }: LinkName,
  { blobs, children, since }: NamedContent
): void {
  for (const named of blobs) {
    draft.remove.push(keys.use(repository, named, digest))
    draft.reviews.set(keys.linkReview(repository, named), {})
  }
  for (const named of children) {
    draft.remove.push(keys.use(repository, named, digest))
    draft.reviews.set(keys.untaggedReview(repository, named), { since: since?.get(named) })
  }
}

export function blobsOf({ blobs }: Manifest): ReadonlySet<Digest> {
  return new Set(blobs.map(({ digest }) => digest))
}

export function childrenOf({ manifests }: Manifest): ReadonlySet<Digest> {
  return new Set(manifests.map(({ digest }) => digest))
}

export async function isLinkedAnywhere(records: RecordStore, digest: Digest): Promise<boolean> {
  return (await records.list(keys.holders(digest), { limit: 1 })).length > 0
}

/** Whether a manifest of the repository names it. */
export async function isUsed(records: RecordStore, { repository, digest }: LinkName): Promise<boolean> {
  return (await records.list(keys.uses(repository, digest), { limit: 1 })).length > 0
}

export async function isTagged(records: RecordStore, { repository, digest }: LinkName): Promise<boolean> {
  return (await records.list(keys.taggedAt(repository, digest), { limit: 1 })).length > 0
}

/** Whether the manifest is about one that is here. */
export async function hasSubject(records: RecordStore, repository: string, { subject }: LinkRecord): Promise<boolean> {
  return subject !== undefined && (await getLink(records, repository, subject))?.manifest === true
}
