import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { Reference } from './reference.ts'

/**
 * What copying needs of a repository, met by the registry here (`registry/`) and by the one above (`parent/`),
 * so that down and up are the same code (`sync/copy.ts`).
 */
export interface ContentSource {
  /** The manifest's own bytes, verified against its digest. Undefined: it is not there. */
  manifest(reference: Reference, signal: AbortSignal): Promise<StoredManifest | undefined>
  /**
   * A blob's bytes from `offset` on. Chunks may be reused by the source once the next one is asked for.
   * `start` says where the bytes begin: 0 where the source could not skip ahead. They may go on behind `last`, the last byte
   * that is wanted.
   */
  blob(descriptor: Descriptor, offset: number, signal: AbortSignal, last?: number): Promise<BlobContent>
  /** Descriptors of the manifests whose subject is `digest`. */
  referrers(digest: Digest, signal: AbortSignal): Promise<readonly Descriptor[]>
}

export interface ContentTarget {
  hasManifest(digest: Digest): Promise<boolean>
  /** True when the blob is in this repository already, or could be linked into it from another one of the store. */
  adoptBlob(descriptor: Descriptor): Promise<boolean>
  /** Takes the blob whole: verified against its descriptor and durable before it resolves. */
  putBlob(descriptor: Descriptor, source: ContentSource, signal: AbortSignal): Promise<void>
  /** Everything the manifest names must be here already; with `sparse` manifests of an index may be missing. */
  putManifest(manifest: StoredManifest, options?: { readonly sparse?: boolean }): Promise<void>
}

export interface StoredManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export interface BlobContent {
  readonly start: number
  readonly bytes: AsyncIterable<Uint8Array>
  /** Lets go of what was not read, and of the connection it comes over; after the end it does nothing. Absent: nothing is held. */
  close?(): void
}
