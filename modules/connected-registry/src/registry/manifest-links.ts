import { randomUUID } from 'node:crypto'
import type { StoredManifest } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { type Manifest, parseManifest } from '../protocol/manifest.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { holdSubject } from './holds.ts'
import { addLink, addUses, blobsOf, childrenOf, isUsed, type NamedContent, removeLink, removeUses } from './links.ts'
import { getLink, type ImageFacts, type LinkRecord, pages } from './records.ts'
import { dropReferrer, putReferrer } from './referrers.ts'
import type { Origin, RemoveOptions } from './registry.ts'
import type { Review } from './reviews.ts'
import { dropTag, tagsAt } from './tags.ts'
import type { Draft } from './transaction.ts'

/**
 * Everything the manifest names must be linked here, and still be when the batch is applied; a removal of any of it that is under
 * way is stopped. Foreign layers and the subject may be missing, and with `sparse` the manifests of an index.
 * Throws RegistryError MANIFEST_BLOB_UNKNOWN with the digests that are.
 */
export async function expectContent(
  records: RecordStore,
  draft: Draft,
  { repository, manifest, sparse }: Expected
): Promise<void> {
  const blobs = new Set(manifest.blobs.filter((blob) => !blob.foreign).map((blob) => blob.digest))
  const children = new Set(manifest.manifests.map((child) => child.digest))
  const layers = await expectLinks(records, draft, repository, { digests: blobs, as: 'blob' })
  const manifests = await expectLinks(records, draft, repository, { digests: children, as: 'manifest' })
  const missing = sparse ? layers : [...layers, ...manifests]
  if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { digests: missing.slice(0, 100) })
}

interface Expected {
  readonly repository: string
  readonly manifest: Manifest
  readonly sparse: boolean
}

async function expectLinks(
  records: RecordStore,
  draft: Draft,
  repository: string,
  { digests, as }: { readonly digests: ReadonlySet<Digest>; readonly as: 'blob' | 'manifest' }
): Promise<readonly Digest[]> {
  const missing: Digest[] = []
  for (const digest of digests) {
    const key = keys.link(repository, digest)
    const link = await getLink(records, repository, digest)
    draft.expect.push([key, link])
    if (!link?.[as]) {
      missing.push(digest)
      continue
    }
    const { removal, ...held } = link
    if (removal) draft.put.push([key, held])
  }
  return missing
}

export interface ManifestLink {
  readonly repository: string
  readonly stored: StoredManifest
  readonly manifest: Manifest
  readonly image: ImageFacts | undefined
  /** RFC 3339. */
  readonly at: string
  readonly origin: Origin
  /** Whether a tag is put on it in the same batch. */
  readonly tagged: boolean
}

/** Adds the link, the bytes, the referrer record and the log entry to the draft; nothing of a manifest that is linked already. */
export async function linkManifest(records: RecordStore, draft: Draft, link: ManifestLink): Promise<void> {
  const { repository, stored, manifest, origin } = link
  const { digest, size } = stored.descriptor
  const { mediaType, subject } = manifest
  const key = keys.link(repository, digest)
  const known = await getLink(records, repository, digest)
  draft.expect.push([key, known])
  if (known?.manifest) await waitAnew(records, draft, link)
  if (known?.manifest && !known.removal) return
  const record = recordOf(link, known)
  if (known) draft.put.push([key, record])
  else addLink(draft, { repository, digest }, record)
  if (known?.manifest) return
  draft.put.push([keys.manifest(digest), stored.bytes])
  addUses(draft, { repository, digest }, manifest)
  const isHeld = subject && (await holdSubject(records, draft, repository, subject.digest))
  if (subject) putReferrer(draft, { repository, subject: subject.digest, stored, manifest })
  if (!link.tagged && !isHeld && !(await isUsed(records, { repository, digest }))) {
    draft.reviews.set(keys.untaggedReview(repository, digest), {})
  }
  draft.changes.push({ action: 'push', repository, digest, mediaType, size, origin })
}

function recordOf({ stored, manifest, image, at }: ManifestLink, known: LinkRecord | undefined): LinkRecord {
  const { mediaType, subject } = manifest
  return {
    mediaType,
    size: stored.descriptor.size,
    manifest: true,
    blob: known?.blob ?? false,
    ...(subject && { subject: subject.digest }),
    createdAt: known?.createdAt ?? at,
    ...(image && { image })
  }
}

/** Who puts a manifest again wants it: where it waits for a review, it waits from now on. */
async function waitAnew(
  records: RecordStore,
  draft: Draft,
  { repository, stored, tagged }: ManifestLink
): Promise<void> {
  if (tagged) return
  const key = keys.untaggedReview(repository, stored.descriptor.digest)
  if (await records.get(key)) draft.reviews.set(key, {})
}

export interface ManifestRemoval {
  readonly repository: string
  readonly digest: Digest
  readonly origin: Origin
  /** Since when nothing held it, RFC 3339, where that was before now: what hung on it does not wait all over again. */
  readonly since?: string
}

/**
 * Adds the removal of a manifest and of every tag that points at it to the draft. The link is marked first, on its own, so that a
 * tag put there after the tags were listed makes this removal fail instead of losing its target. 'kept': `unlessNeeded`, and it is.
 */
export async function dropManifest(
  records: RecordStore,
  draft: Draft,
  { repository, digest, origin, unlessNeeded, lastLook }: ManifestRemoval & Omit<RemoveOptions, 'along'>
): Promise<undefined | false | 'kept'> {
  const link = await getLink(records, repository, digest)
  if (!link?.manifest) return false
  const marked = await markLink(records, { repository, digest }, link)
  await lastLook?.()
  const tags = await tagsAt(records, repository, digest)
  if (unlessNeeded && (tags.length > 0 || (await isUsed(records, { repository, digest })))) {
    await unmarkLink(records, { repository, digest }, marked)
    return 'kept'
  }
  for (const [tag, current] of tags) {
    dropTag(draft, { repository, tag, current, options: { origin } })
  }
  draft.expect.push([keys.link(repository, digest), marked])
  await dropLink(records, draft, { repository, digest, origin }, link)
}

/** In a batch of its own. Who has read the link before, and who builds on it from now on, meets the removal that follows. */
export async function markLink(
  records: RecordStore,
  { repository, digest }: Pick<ManifestRemoval, 'repository' | 'digest'>,
  link: LinkRecord
): Promise<LinkRecord> {
  const key = keys.link(repository, digest)
  const marked = { ...link, removal: randomUUID() }
  await records.commit({ put: [[key, marked]], expect: [[key, link]] })
  return marked
}

async function unmarkLink(
  records: RecordStore,
  { repository, digest }: Pick<ManifestRemoval, 'repository' | 'digest'>,
  marked: LinkRecord
): Promise<void> {
  const key = keys.link(repository, digest)
  const { removal: _, ...held } = marked
  await records.commit({ put: [[key, held]], expect: [[key, marked]] })
}

/**
 * Adds the removal of what makes a link a manifest to the draft. Its bytes stay: other repositories may share them. What it named
 * and what refers to it is reviewed.
 */
export async function dropLink(
  records: RecordStore,
  draft: Draft,
  removal: ManifestRemoval,
  link: LinkRecord
): Promise<void> {
  const { repository, digest, origin, since } = removal
  const { mediaType, size, subject } = link
  removeUses(draft, removal, await namedBy(records, removal, mediaType))
  for await (const page of pages(records, keys.referrers(repository, digest), 1000)) {
    for (const [, value] of page) {
      const referrer = (value as unknown as Descriptor).digest
      draft.reviews.set(keys.linkReview(repository, referrer), { cause: 'subject' })
    }
  }
  if (subject) dropReferrer(draft, { repository, subject, digest })
  if (link.blob) leaveBlob(draft, removal, link)
  else removeLink(draft, removal, since)
  draft.changes.push({ action: 'delete', repository, digest, mediaType, size, origin })
}

function leaveBlob(draft: Draft, { repository, digest }: ManifestRemoval, { mediaType, size }: LinkRecord): void {
  draft.put.push([keys.link(repository, digest), { mediaType, size, manifest: false, blob: true }])
  draft.reviews.delete(keys.untaggedReview(repository, digest))
  draft.remove.push(keys.untaggedReview(repository, digest))
  draft.reviews.set(keys.linkReview(repository, digest), {})
}

async function namedBy(records: RecordStore, removal: ManifestRemoval, mediaType: string): Promise<NamedContent> {
  const manifest = await readManifest(records, removal.digest, mediaType)
  if (!manifest) return namedByUses(records, removal)
  const children = childrenOf(manifest)
  return { blobs: blobsOf(manifest), children, since: await waits(records, removal, children) }
}

/** The manifests of an index that was garbage since `since` are it since then too, unless a tag left one of them later. */
async function waits(
  records: RecordStore,
  { repository, since }: ManifestRemoval,
  children: Iterable<Digest>
): Promise<ReadonlyMap<Digest, string>> {
  const found = new Map<Digest, string>()
  if (!since) return found
  for (const child of children) {
    const queued = (await records.get(keys.untaggedReview(repository, child))) as Review | undefined
    found.set(child, queued && queued.since > since ? queued.since : since)
  }
  return found
}

/** Undefined: its bytes are lost, or no longer to be read. It must be possible to remove it all the same. */
async function readManifest(records: RecordStore, digest: Digest, mediaType: string): Promise<Manifest | undefined> {
  const bytes = await records.get(keys.manifest(digest))
  try {
    return bytes instanceof Uint8Array ? parseManifest(bytes, mediaType) : undefined
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

/** From the other side: reads every use of the repository. */
async function namedByUses(records: RecordStore, { repository, digest }: ManifestRemoval): Promise<NamedContent> {
  const named: Digest[] = []
  const prefix = keys.usesOf(repository)
  for await (const page of pages(records, prefix, 1000)) {
    for (const [key] of page) {
      if (!key.endsWith(`:${digest}`)) continue
      const used = parseDigest(key.slice(prefix.length, -digest.length - 1))
      if (used) named.push(used)
    }
  }
  // Which of the two they are does not matter: a review of what it is not finds nothing to do.
  return { blobs: named, children: named }
}
