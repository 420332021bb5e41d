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
 *
 * Keys of the record store. A repository name holds no ':' and no space, a tag neither; so a prefix that ends with one
 * of them selects exactly one repository.
 *
 *   repository:<repository>                         { createdAt }
 *   tag:<repository>:<tag in lower case> <tag>      TagRecord         (distribution-spec: tags list in case-insensitive order)
 *   link:<repository>:<digest>                      LinkRecord        what the repository holds: manifests and blobs
 *   referrer:<repository>:<subject>:<digest>        Descriptor        one per manifest with a subject
 *   manifest:<digest>                               bytes             shared by all repositories
 *   change:<sequence, 16 digits>                    Change            the change log
 *   log:head                                        number            the last sequence given out
 *   base:<repository>:<tag or digest>               what this registry and its parent last agreed on (`sync/bases.ts`)
 *   looked:<repository>                             Looked            how the parent described it when it last agreed whole
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
    state: join(dataVolume, 'state.json')
  }
}

export interface StorePaths {
  readonly root: string
  readonly lock: string
  readonly records: string
  readonly blobs: string
  readonly uploads: string
  readonly state: string
}

export function blobPath(blobs: string, digest: Digest): string {
  const hex = hexOf(digest)
  return join(blobs, algorithmOf(digest), hex.slice(0, 2), hex)
}

export const keys = {
  repositories: 'repository:',
  repository: (repository: string) => `repository:${repository}`,
  tags: (repository: string) => `tag:${repository}:`,
  tag: (repository: string, tag: string) => `tag:${repository}:${tag.toLowerCase()} ${tag}`,
  links: (repository: string) => `link:${repository}:`,
  link: (repository: string, digest: Digest) => `link:${repository}:${digest}`,
  referrers: (repository: string, subject: Digest) => `referrer:${repository}:${subject}:`,
  referrersOf: (repository: string) => `referrer:${repository}:`,
  referrer: (repository: string, subject: Digest, digest: Digest) => `referrer:${repository}:${subject}:${digest}`,
  manifest: (digest: Digest) => `manifest:${digest}`,
  changes: 'change:',
  change: (sequence: number) => `change:${String(sequence).padStart(16, '0')}`,
  logHead: 'log:head',
  bases: (repository: string) => `base:${repository}:`,
  base: (repository: string, reference: string) => `base:${repository}:${reference}`,
  looked: (repository: string) => `looked:${repository}`,
  identity: (name: string) => `identity:${name}`
} as const
