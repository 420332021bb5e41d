import { join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from '../protocol/digest.ts'

/**
 * Everything this product writes, below the data volume:
 *
 *   <data>/
 *     state.json  state.json.previous      what this module was last told and who it is (lowdb, mode 0600)
 *     registry/
 *       lock.sqlite                        held open and locked by the one process that owns the store
 *       records.sqlite (-wal, -shm)        records: catalog, manifests, change log, bases
 *       blobs/<algorithm>/<2 hex>/<hex>    content, whole and verified; never written in place
 *       uploads/<id>/                      bytes arriving for one blob
 *       quarantine/<algorithm>-<hex>       content that did not match its digest: kept for a person, served to nobody
 *
 * Keys of the record store. A repository name holds no ':' and no space, a tag neither; so a prefix that ends with one
 * of them selects exactly one repository.
 *
 *   repository:<repository>                         { createdAt }
 *   tag:<repository>:<tag in lower case> <tag>      TagRecord         (distribution-spec: tags list in case-insensitive order)
 *   updated:<repository>                            UpdatedRecord     when something last changed in it
 *   collected:<repository>                          random            another one each time the collector removes a manifest there
 *   link:<repository>:<digest>                      LinkRecord        what the repository holds: manifests and blobs
 *   referrer:<repository>:<subject>:<digest>        Descriptor        one per manifest with a subject
 *   holder:<digest>:<repository>                    true              who links it: one beside each link
 *   use:<repository>:<digest>:<manifest>            true              which manifests linked there name it (not as their subject)
 *   tagged:<repository>:<digest>:<tag>              true              which tags point at it: one beside each tag
 *   manifest:<digest>                               bytes             shared by all repositories
 *   review:link:<repository>:<digest>               Review            what the garbage collector must look at, and since when:
 *   review:untagged:<repository>:<digest>           Review            a link that nothing names, a manifest without a tag,
 *   review:content:<digest>                         Review            content that no repository links
 *   garbage:<name>                                                    how far the collector's own book-keeping is
 *   upload:<id>                                     UploadRecord      whose upload it is, and into which repository
 *   transfer:<digest>                               which upload holds what came of a blob so far (`sync/transfer-journal.ts`)
 *   change:<sequence, 16 digits>                    Change            the change log
 *   log:head                                        number            the last sequence given out
 *   log:trimmed                                     number            the last sequence that was trimmed. Entries go by age and number
 *                                                                     alone (90 days, 100,000: about 40 MB), whoever has read them:
 *                                                                     a reader behind it makes a full comparison
 *   base:<repository>:<tag or digest>               what this registry and its parent last agreed on (`sync/bases.ts`)
 *   outbound:<repository>:<tag or digest>           OutboundRecord    what changed here and the parent has not been told (`sync/outbound.ts`)
 *   log:outbound                                    number            how far the change log was read for that
 *   log:notifications                               Position          how far it was told to edgeHub, and by which patterns (`notification-position.ts`)
 *   conflict:<repository>:<tag>                     ConflictRecord    a tag that keeps what lost to the parent
 *   sending:<repository>:<digest>                   text              where the upload of a large blob to the parent stands
 *   looked:<repository>                             Looked            how the parent described it when it last agreed whole
 *   feed:cursor                                     FeedCursor        how far the parent's feed was followed, and whose
 *   sync:first                                      string            the parent with which the first sync was completed
 *   sync:told                                       string            the epoch of the parent that was told what changed here
 *   gateway:epoch                                   EpochRecord       with what those below note what they agree on (`children/epoch.ts`)
 *   activation:<child's name in lower case>         Activation        which instance is the child of that name
 *   freed:<child's name in lower case>              [instance id]     those that were freed, for another one
 *   scrub:cursor                                    how far the reading of all content has come
 *   scrub:at                                        RFC 3339          when it last came to its end
 *   delegated:<token>                               DelegatedToken    what the parent said of a client token: password hashes, grants
 *   traffic                                         Traffic           what went over the link to the parent so far
 *   identity:<name>                                 who this instance is, and its keys
 */
export function storePaths(dataVolume: string): StorePaths {
  const root = join(dataVolume, 'registry')
  return {
    root,
    lock: join(root, 'lock.sqlite'),
    records: join(root, 'records.sqlite'),
    blobs: join(root, 'blobs'),
    uploads: join(root, 'uploads'),
    quarantine: join(root, 'quarantine'),
    state: join(dataVolume, 'state.json')
  }
}

export interface StorePaths {
  readonly root: string
  readonly lock: string
  readonly records: string
  readonly blobs: string
  readonly uploads: string
  readonly quarantine: string
  readonly state: string
}

export function blobPath(blobs: string, digest: Digest): string {
  const hex = hexOf(digest)
  // Not by `join`: some hundred at the start make what that is made of hot enough for V8's compilers, which then stay in memory.
  return `${blobs}/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`
}

export const keys = {
  repositories: 'repository:',
  repository: (repository: string) => `repository:${repository}`,
  updated: (repository: string) => `updated:${repository}`,
  collected: (repository: string) => `collected:${repository}`,
  tags: (repository: string) => `tag:${repository}:`,
  tag: (repository: string, tag: string) => `tag:${repository}:${tag.toLowerCase()} ${tag}`,
  links: (repository: string) => `link:${repository}:`,
  link: (repository: string, digest: Digest) => `link:${repository}:${digest}`,
  referrers: (repository: string, subject: Digest) => `referrer:${repository}:${subject}:`,
  referrersOf: (repository: string) => `referrer:${repository}:`,
  referrer: (repository: string, subject: Digest, digest: Digest) => `referrer:${repository}:${subject}:${digest}`,
  holders: (digest: Digest) => `holder:${digest}:`,
  holder: (digest: Digest, repository: string) => `holder:${digest}:${repository}`,
  usesOf: (repository: string) => `use:${repository}:`,
  uses: (repository: string, digest: Digest) => `use:${repository}:${digest}:`,
  use: (repository: string, digest: Digest, manifest: Digest) => `use:${repository}:${digest}:${manifest}`,
  taggedAt: (repository: string, digest: Digest) => `tagged:${repository}:${digest}:`,
  tagged: (repository: string, digest: Digest, tag: string) => `tagged:${repository}:${digest}:${tag}`,
  manifest: (digest: Digest) => `manifest:${digest}`,
  reviews: (kind: 'link' | 'untagged' | 'content') => `review:${kind}:`,
  linkReview: (repository: string, digest: Digest) => `review:link:${repository}:${digest}`,
  untaggedReview: (repository: string, digest: Digest) => `review:untagged:${repository}:${digest}`,
  contentReview: (digest: Digest) => `review:content:${digest}`,
  epoch: 'gateway:epoch',
  garbage: (name: string) => `garbage:${name}`,
  uploads: 'upload:',
  upload: (id: string) => `upload:${id}`,
  transfers: 'transfer:',
  transfer: (digest: Digest) => `transfer:${digest}`,
  changes: 'change:',
  change: (sequence: number) => `change:${String(sequence).padStart(16, '0')}`,
  logHead: 'log:head',
  logTrimmed: 'log:trimmed',
  bases: (repository: string) => `base:${repository}:`,
  base: (repository: string, reference: string) => `base:${repository}:${reference}`,
  outbounds: 'outbound:',
  outboundsOf: (repository: string) => `outbound:${repository}:`,
  outbound: (repository: string, reference: string) => `outbound:${repository}:${reference}`,
  outboundCursor: 'log:outbound',
  notifications: 'log:notifications',
  conflicts: 'conflict:',
  conflict: (repository: string, tag: string) => `conflict:${repository}:${tag}`,
  sendings: 'sending:',
  sending: (repository: string, digest: Digest) => `sending:${repository}:${digest}`,
  feedCursor: 'feed:cursor',
  firstSync: 'sync:first',
  outboundEpoch: 'sync:told',
  activation: (child: string) => `activation:${child.toLowerCase()}`,
  freed: (child: string) => `freed:${child.toLowerCase()}`,
  looked: (repository: string) => `looked:${repository}`,
  manifests: 'manifest:',
  scrubCursor: 'scrub:cursor',
  scrubbedAt: 'scrub:at',
  delegatedTokens: 'delegated:',
  delegated: (name: string) => `delegated:${name}`,
  traffic: 'traffic',
  identity: (name: string) => `identity:${name}`
} as const
