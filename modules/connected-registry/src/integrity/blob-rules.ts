import type { Digest } from '../protocol/digest.ts'
import type { Catalog } from './catalog.ts'
import type { Findings } from './findings.ts'

/** What lies on the disk, whatever the records say. */
export interface StoredContent {
  /** Bytes of each blob. */
  readonly blobs: ReadonlyMap<Digest, number>
  readonly quarantined: ReadonlySet<Digest>
  /** Blobs whose bytes were read and are not those of the digest; empty where nobody read them. */
  readonly damaged: ReadonlySet<Digest>
}

/** Whether every blob a repository holds is there and whole, and which blobs nobody holds. */
export function examineBlobs(catalog: Catalog, content: StoredContent, findings: Findings): void {
  const linked = new Set<Digest>()
  for (const [name, { links }] of catalog.repositories) {
    for (const [digest, { blob, size }] of links) {
      if (!blob) continue
      linked.add(digest)
      examineBlob(content, { subject: `${name}@${digest}`, digest, size }, findings)
    }
  }
  for (const [digest, bytes] of content.blobs) {
    if (!linked.has(digest)) findings.remainders.push({ kind: 'BLOB_UNLINKED', subject: digest, bytes })
  }
  for (const digest of content.damaged) {
    if (!linked.has(digest)) findings.problems.push({ kind: 'DIGEST_WRONG', subject: digest })
  }
}

function examineBlob(
  { blobs, quarantined, damaged }: StoredContent,
  { subject, digest, size }: { readonly subject: string; readonly digest: Digest; readonly size: number },
  { problems }: Findings
): void {
  const stored = blobs.get(digest)
  if (stored === undefined) {
    const kind = quarantined.has(digest) ? 'QUARANTINED' : 'LINK_WITHOUT_CONTENT'
    problems.push({ kind, subject, detail: 'the blob is missing' })
  } else if (stored !== size) {
    problems.push({ kind: 'SIZE_WRONG', subject, detail: `${stored}, its record ${size}` })
  } else if (damaged.has(digest)) {
    problems.push({ kind: 'DIGEST_WRONG', subject })
  }
}
