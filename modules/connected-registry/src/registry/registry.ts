import type { StoredManifest } from '../protocol/content.ts'
import type { ChildChoice, Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { Reference } from '../protocol/reference.ts'
import type { BlobReader, ByteRange } from '../storage/blob-store.ts'
import type { Batch } from '../storage/record-store.ts'
import type { Garbage } from './garbage.ts'
import type { Metadata } from './metadata.ts'
import type { Uploads } from './uploads.ts'

/** What a registry is: one interface a noun, over the two seams of `storage/`. No mode, no access rule lives here. */
export interface Registry {
  readonly repositories: Repositories
  readonly manifests: Manifests
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly tags: Tags
  readonly referrers: Referrers
  readonly metadata: Metadata
  readonly changes: Changes
  readonly garbage: Garbage
  /** A change is about to come: the store may get ready while its content comes. A hint, which promises nothing. */
  wake(): void
}

export interface Page {
  readonly after?: string
  readonly limit: number
}

export interface Repositories {
  has(repository: string): Promise<boolean>
  /** Names in byte order. */
  list(page: Page): Promise<readonly string[]>
  /**
   * Tags first, then manifests, then the rest; a log entry each tag and manifest. False: it was not here, or is not to go.
   * ConflictError, and what is left stays, when somebody writes to it meanwhile.
   */
  remove(repository: string, origin: Origin, options?: RepositoryRemoval): Promise<boolean>
}

export interface RepositoryRemoval {
  /** Asked when nobody can write to it any more without stopping the removal. */
  readonly unless?: () => Promise<boolean>
}

export interface Manifests {
  /** Undefined: no such repository, tag or digest. */
  stat(repository: string, reference: Reference): Promise<Descriptor | undefined>
  get(repository: string, reference: Reference): Promise<StoredManifest | undefined>
  /** True: the manifest is here with everything below it; of an index, with the manifests that are wanted. */
  isWhole(repository: string, digest: Digest, wants?: ChildChoice): Promise<boolean>
  /** Digests of the manifests linked into the repository, in byte order. */
  list(repository: string, page: Page): Promise<readonly Descriptor[]>
  /**
   * Links the manifest into the repository, and moves the tags to it that are given: one batch with its log entries.
   * Everything it names must be linked here (MANIFEST_BLOB_UNKNOWN otherwise); its subject may be missing, and the
   * manifests of an index where it is put `sparse`. Resolves to what the manifest says.
   */
  put(repository: string, manifest: StoredManifest, options: PutOptions): Promise<Manifest>
  /** Throws what keeps any manifest from coming in, such as a full disk; `put` asks by itself. */
  admit(): Promise<void>
  /** With every tag that points at it. False: it was not here, or `unlessNeeded` kept it. */
  remove(repository: string, digest: Digest, options: RemoveOptions): Promise<boolean>
}

export interface Tags {
  get(repository: string, tag: string): Promise<TagRecord | undefined>
  /** Names in case-insensitive order (distribution-spec, "Listing Tags"); `after` is a tag, which need not exist. */
  list(repository: string, page: Page): Promise<readonly string[]>
  /** Moves the tag to a manifest that is linked here (MANIFEST_UNKNOWN otherwise). */
  put(repository: string, tag: string, digest: Digest, options: TagOptions): Promise<void>
  /** False: it was not here. The manifest stays. */
  remove(repository: string, tag: string, options: UntagOptions): Promise<boolean>
}

export interface Blobs {
  /** Undefined: not linked into this repository, wherever else it may be. */
  stat(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined>
  open(repository: string, digest: Digest, range?: ByteRange): Promise<BlobReader | undefined>
  /** Links content of the store into the repository. False: the store does not hold it. */
  link(
    repository: string,
    descriptor: Pick<Descriptor, 'digest' | 'mediaType'>,
    options?: Pick<WriteOptions, 'along'>
  ): Promise<boolean>
  /** False: it was not linked. Throws RegistryError UNSUPPORTED while a manifest of the repository names it. */
  unlink(repository: string, digest: Digest): Promise<boolean>
  /** Repositories that link it, in byte order. */
  holders(digest: Digest): AsyncIterable<string>
  /** For who stores content and then links it: in between, no garbage collection takes it. */
  hold<T>(digest: Digest, work: () => Promise<T>): Promise<T>
}

export interface Referrers {
  /** Descriptors with `artifactType` and annotations (distribution-spec, "Listing Referrers"), in digest order. */
  list(repository: string, subject: Digest): Promise<readonly Descriptor[]>
  /** As many of them as JSON of `bytes` holds, and always one. */
  page(repository: string, subject: Digest, query: ReferrersQuery): Promise<ReferrersPage>
}

export interface ReferrersQuery {
  readonly bytes: number
  /** The last one of the page before. */
  readonly after?: Digest
  /** Left out: of all types. */
  readonly artifactType?: string
}

export interface ReferrersPage {
  readonly referrers: readonly Descriptor[]
  /** To be sent as `after` next time. Undefined: this was the last page. */
  readonly next?: Digest
}

/** The change log: every catalog change, in the same batch as the change. */
export interface Changes {
  /** The last sequence given out; 0 in a new store. */
  head(): number
  /** The sequence of the last change in a repository that is here; 0 where there is none. */
  revision(repository: string): Promise<number>
  read(after: number, limit: number): Promise<readonly Change[]>
  /**
   * The same for a reader that keeps its cursor over time. `trimmed`: entries behind it are gone, or it is of another log; what
   * changed is then told by a full comparison alone, for which the reader notes `head` before it lists.
   */
  since(cursor: number, limit: number): Promise<readonly Change[] | 'trimmed'>
  /** Removes the oldest entries, a batch at a time, and resolves to their number. Throws the signal's reason between two batches. */
  trim(limits: LogLimits, signal?: AbortSignal): Promise<number>
  /** Called after each durable change with the new head. */
  onChange(listener: (head: number) => void): () => void
}

/** No reader is asked: one that is gone for good would fill the disk. */
export interface LogLimits {
  /** What was entered before this goes. */
  readonly before: Date
  /** No more than these many, the latest, stay. */
  readonly keep: number
}

export interface Change {
  readonly sequence: number
  readonly action: 'push' | 'delete' | 'tag' | 'untag'
  readonly repository: string
  readonly tag?: string
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly origin: Origin
  /** RFC 3339, UTC. */
  readonly at: string
}

/** Who made a change: readers of the log leave out their own. */
export type Origin = `client:${string}` | 'parent' | `child:${string}` | 'sync'

export interface TagRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** RFC 3339, UTC: when the tag last moved here. */
  readonly updatedAt: string
  /** When there first was one of this name; older stores do not say. */
  readonly createdAt?: string
}

export interface WriteOptions {
  readonly origin: Origin
  /** Records of the caller that must be written in the same batch, such as a base; also where nothing else is left to do. */
  readonly along?: Batch
}

/** How a removal is told of what was put back just before it. */
export interface LastLook {
  /**
   * Called when what is to go has been read: what changed before that is in the change log by now, and what changes from now on
   * makes the removal begin anew. A conflict over a record that `along` expects is the caller's.
   */
  readonly lastLook?: () => Promise<void>
}

export interface RemoveOptions extends WriteOptions, LastLook {
  /** It stays while a tag points at it or a manifest names it; then nothing is written, `along` neither. */
  readonly unlessNeeded?: boolean
}

export interface MoveOptions extends WriteOptions {
  /** The digest the tag must have now, null for none; ConflictError otherwise. Left out: any. */
  readonly expect?: Digest | null
}

export interface TagOptions extends MoveOptions {
  /** What the tag pointed at is kept under this one, in the same batch and with origin `sync`. */
  readonly keepAs?: string
}

export interface UntagOptions extends TagOptions, LastLook {}

export interface PutOptions extends MoveOptions {
  readonly tag?: string
  /** Moved in the same batch, wherever they are now. */
  readonly moreTags?: readonly string[]
  /** An index may name manifests that are not here. */
  readonly sparse?: boolean
}
