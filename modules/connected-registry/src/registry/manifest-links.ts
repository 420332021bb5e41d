import { randomUUID } from 'node:crypto'
import type { StoredManifest } from '../protocol/content.ts'
import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { keys } from '../storage/layout.ts'
import type { RecordStore } from '../storage/record-store.ts'
import { getLink, type LinkRecord } from './records.ts'
import { dropReferrer, putReferrer } from './referrers.ts'
import type { Origin } from './registry.ts'
import { dropTag, tagsAt } from './tags.ts'
import type { Draft } from './transaction.ts'

/**
 * Everything the manifest names must be linked here, and still be when the batch is applied. Foreign layers and the subject may
 * be missing. Throws RegistryError MANIFEST_BLOB_UNKNOWN with the digests that are.
 */
export async function expectContent(
  records: RecordStore,
  draft: Draft,
  repository: string,
  manifest: Manifest
): Promise<void> {
  const blobs = manifest.blobs.filter((blob) => !blob.foreign).map((blob) => blob.digest)
  const manifests = manifest.manifests.map((child) => child.digest)
  const missing = [
    ...(await expectLinks(records, draft, repository, { digests: new Set(blobs), as: 'blob' })),
    ...(await expectLinks(records, draft, repository, { digests: new Set(manifests), as: 'manifest' }))
  ]
  if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { digests: missing.slice(0, 100) })
}

async function expectLinks(
  records: RecordStore,
  draft: Draft,
  repository: string,
  { digests, as }: { readonly digests: ReadonlySet<Digest>; readonly as: 'blob' | 'manifest' }
): Promise<readonly Digest[]> {
  const missing: Digest[] = []
  for (const digest of digests) {
    const link = await getLink(records, repository, digest)
    if (link?.[as]) draft.expect.push([keys.link(repository, digest), link])
    else missing.push(digest)
  }
  return missing
}

export interface ManifestLink {
  readonly repository: string
  readonly stored: StoredManifest
  readonly manifest: Manifest
  readonly origin: Origin
}

/** Adds the link, the bytes, the referrer record and the log entry to the draft; nothing of a manifest that is linked already. */
export async function linkManifest(
  records: RecordStore,
  draft: Draft,
  { repository, stored, manifest, origin }: ManifestLink
): Promise<void> {
  const { digest, size } = stored.descriptor
  const { mediaType, subject } = manifest
  const key = keys.link(repository, digest)
  const known = await getLink(records, repository, digest)
  draft.expect.push([key, known])
  if (known?.manifest && !known.removal) return
  const blob = known?.blob ?? false
  draft.put.push([key, { mediaType, size, manifest: true, blob, ...(subject && { subject: subject.digest }) }])
  if (known?.manifest) return
  draft.put.push([keys.manifest(digest), stored.bytes])
  if (subject) putReferrer(draft, { repository, subject: subject.digest, stored, manifest })
  draft.changes.push({ action: 'push', repository, digest, mediaType, size, origin })
}

export interface ManifestRemoval {
  readonly repository: string
  readonly digest: Digest
  readonly origin: Origin
}

/**
 * Adds the removal of a manifest and of every tag that points at it to the draft. The link is marked first, on its own, so that a
 * tag put there after the tags were listed makes this removal fail instead of losing its target.
 */
export async function dropManifest(
  records: RecordStore,
  draft: Draft,
  { repository, digest, origin }: ManifestRemoval
): Promise<undefined | false> {
  const link = await getLink(records, repository, digest)
  if (!link?.manifest) return false
  const key = keys.link(repository, digest)
  const marked = { ...link, removal: randomUUID() }
  await records.commit({ put: [[key, marked]], expect: [[key, link]] })
  for (const [tag, current] of await tagsAt(records, repository, digest)) {
    dropTag(draft, { repository, tag, current, options: { origin } })
  }
  draft.expect.push([key, marked])
  dropLink(draft, { repository, digest, origin }, link)
}

/** Adds the removal of what makes a link a manifest to the draft. Its bytes stay: other repositories share them. */
export function dropLink(draft: Draft, { repository, digest, origin }: ManifestRemoval, link: LinkRecord): void {
  const { mediaType, size, subject } = link
  const key = keys.link(repository, digest)
  if (link.blob) draft.put.push([key, { mediaType, size, manifest: false, blob: true }])
  else draft.remove.push(key)
  if (subject) dropReferrer(draft, { repository, subject, digest })
  draft.changes.push({ action: 'delete', repository, digest, mediaType, size, origin })
}
