/** What may be wrong with a store, each with what it means to a person. Problems cost somebody content. */
export const problemKinds = {
  RECORDS_DAMAGED: 'SQLite finds its file damaged',
  RECORD_UNREADABLE: 'a record is not what it should be',
  TAG_WITHOUT_MANIFEST: 'a tag points at a manifest that is not in its repository',
  LINK_WITHOUT_CONTENT: 'a repository holds content that is not in the store',
  MANIFEST_WITHOUT_CONTENT: 'a manifest names a blob that is not in its repository',
  MANIFEST_INVALID: 'the bytes of a manifest are not a manifest',
  WITHOUT_REPOSITORY: 'a tag or content belongs to a repository that is not there',
  REFERRER_BROKEN: 'the list of referrers and the manifests disagree',
  SIZE_WRONG: 'content is not as long as its record says',
  DIGEST_WRONG: 'content does not match its digest',
  QUARANTINED: 'content was set aside because it did not match its digest, and has not come back',
  INDEX_WRONG: 'what tells the garbage collector who names what is not what is there',
  LOG_BROKEN: 'the change log has entries where it says there are none'
} as const

const pushAgain = 'push the image again; in ReadOnly mode take its repository out of `repositories`, and put it back'
const setAside = '`scrub` sets blobs aside, and the next round of sync brings them anew; a manifest, push again'

/** What mends each. */
export const cures: Readonly<Record<ProblemKind, string>> = {
  RECORDS_DAMAGED: 'begin with an empty data volume; sync brings the content anew',
  RECORD_UNREADABLE: 'begin with an empty data volume where it matters; report it, with the key',
  TAG_WITHOUT_MANIFEST: pushAgain,
  LINK_WITHOUT_CONTENT: pushAgain,
  MANIFEST_WITHOUT_CONTENT: pushAgain,
  MANIFEST_INVALID: pushAgain,
  WITHOUT_REPOSITORY: 'push anything into the repository, and it is there again',
  REFERRER_BROKEN: 'push the referrer again',
  SIZE_WRONG: setAside,
  DIGEST_WRONG: setAside,
  QUARANTINED: 'the next round of sync brings it anew; what the parent has not got, push again',
  INDEX_WRONG: 'set `garbageCollection.enabled` to false, as it may remove too much; report it',
  LOG_BROKEN: 'run `resync`; report it'
}

/** What is left over, from crashes and deletes: it costs room until it is collected, and nothing else. */
export const remainderKinds = {
  BLOB_UNLINKED: 'blobs that no repository holds',
  MANIFEST_UNLINKED: 'manifests that no repository holds',
  UPLOAD_OPEN: 'uploads that were not completed',
  REMOVAL_OPEN: 'removals that were cut short',
  INDEX_SPARSE: 'manifests that an index names and its repository does not hold',
  FILE_FOREIGN: 'files that are not ours'
} as const

export type ProblemKind = keyof typeof problemKinds
export type RemainderKind = keyof typeof remainderKinds

export interface Problem {
  readonly kind: ProblemKind
  /** Where: a repository with its tag or digest, a record's key, a file. */
  readonly subject: string
  readonly detail?: string
}

export interface Remainder {
  readonly kind: RemainderKind
  readonly subject: string
  readonly bytes: number
}

/** Gathers what one examination finds. */
export interface Findings {
  readonly problems: Problem[]
  readonly remainders: Remainder[]
}

export function noFindings(): Findings {
  return { problems: [], remainders: [] }
}
