import type { Digest } from '../protocol/digest.ts'
import type { LinkRecord } from '../registry/records.ts'
import type { Catalog, NamedContent, RepositoryContent } from './catalog.ts'
import type { Findings, ProblemKind } from './findings.ts'

/** What the records must say of each other. The content in files is another matter (`blob-rules.ts`). */
export function examineCatalog(catalog: Catalog, findings: Findings): void {
  for (const [name, repository] of catalog.repositories) {
    if (repository.removal) findings.remainders.push({ kind: 'REMOVAL_OPEN', subject: name, bytes: 0 })
    if (!repository.exists) report(findings, 'WITHOUT_REPOSITORY', name, describeSize(repository))
    examineTags(name, repository, findings)
    examineReferrers(name, repository, findings)
    for (const [digest, link] of repository.links) {
      if (link.removal) findings.remainders.push({ kind: 'REMOVAL_OPEN', subject: `${name}@${digest}`, bytes: 0 })
      if (link.manifest) examineManifest(catalog, { name, repository, digest, link }, findings)
    }
  }
  examineUnlinked(catalog, findings)
  const { head, first, last, trimmed } = catalog.log
  if (last > head) report(findings, 'LOG_BROKEN', 'log:head', `the head is ${head}, the last entry ${last}`)
  if (first > 0 && first <= trimmed)
    report(findings, 'LOG_BROKEN', 'log:trimmed', `trimmed up to ${trimmed}, the first entry ${first}`)
}

interface LinkedManifest {
  readonly name: string
  readonly repository: RepositoryContent
  readonly digest: Digest
  readonly link: LinkRecord
}

function examineTags(name: string, { tags, links }: RepositoryContent, findings: Findings): void {
  for (const [tag, { digest, size }] of tags) {
    const link = links.get(digest)
    if (!link?.manifest) report(findings, 'TAG_WITHOUT_MANIFEST', `${name}:${tag}`, digest)
    else if (link.size !== size) report(findings, 'SIZE_WRONG', `${name}:${tag}`, `${size}, its manifest ${link.size}`)
  }
}

function examineManifest(
  { manifests }: Catalog,
  { name, repository, digest, link }: LinkedManifest,
  findings: Findings
): void {
  const subject = `${name}@${digest}`
  const content = manifests.get(digest)
  if (!content) {
    report(findings, 'LINK_WITHOUT_CONTENT', subject, 'the manifest is missing')
    return
  }
  if (!content.matches) report(findings, 'DIGEST_WRONG', subject)
  if (content.size !== link.size) report(findings, 'SIZE_WRONG', subject, `${content.size}, its record ${link.size}`)
  if (content.names) examineNames({ name, repository, digest, link }, content.names, findings)
  else report(findings, 'MANIFEST_INVALID', subject)
}

function examineNames(
  { name, repository, digest, link }: LinkedManifest,
  names: NamedContent,
  findings: Findings
): void {
  const subject = `${name}@${digest}`
  for (const blob of names.blobs) {
    if (!repository.links.get(blob)?.blob) report(findings, 'MANIFEST_WITHOUT_CONTENT', subject, `names ${blob}`)
  }
  for (const child of names.manifests) {
    if (repository.links.get(child)?.manifest) continue
    findings.remainders.push({ kind: 'INDEX_SPARSE', subject: `${name}@${child}`, bytes: 0 })
  }
  if (names.subject !== link.subject) {
    report(findings, 'REFERRER_BROKEN', subject, `its subject is ${names.subject}, its record's ${link.subject}`)
  }
}

/** A manifest with a subject is in that one's list, and nothing else is. */
function examineReferrers(name: string, { links, referrers }: RepositoryContent, findings: Findings): void {
  const listed = new Set(referrers.map(({ subject, digest }) => `${subject} ${digest}`))
  for (const { subject, digest } of referrers) {
    if (links.get(digest)?.subject === subject) continue
    report(findings, 'REFERRER_BROKEN', `${name}@${digest}`, `listed for ${subject}, and is not about it`)
  }
  for (const [digest, { subject }] of links) {
    if (!subject || listed.has(`${subject} ${digest}`)) continue
    report(findings, 'REFERRER_BROKEN', `${name}@${digest}`, `not listed for ${subject}`)
  }
}

function examineUnlinked({ repositories, manifests }: Catalog, findings: Findings): void {
  const linked = new Set<Digest>()
  for (const { links } of repositories.values()) {
    for (const [digest, { manifest }] of links) if (manifest) linked.add(digest)
  }
  for (const [digest, { size }] of manifests) {
    if (!linked.has(digest)) findings.remainders.push({ kind: 'MANIFEST_UNLINKED', subject: digest, bytes: size })
  }
}

function describeSize({ tags, links }: RepositoryContent): string {
  return `${tags.size} tags, ${links.size} links`
}

function report({ problems }: Findings, kind: ProblemKind, subject: string, detail?: string): void {
  problems.push({ kind, subject, detail })
}
