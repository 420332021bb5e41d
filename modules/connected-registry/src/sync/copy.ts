import type { ContentSource, ContentTarget } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { type Manifest, parseManifest } from '../protocol/manifest.ts'

export interface CopyJob {
  readonly source: ContentSource
  readonly target: ContentTarget
  /** Copies under way: several tags often lead to the same manifest, which is brought once. */
  readonly running?: Map<Digest, Promise<readonly Digest[]>>
  /** Told of each manifest that became part of the target. */
  readonly onManifest?: (descriptor: Descriptor) => void
  /** Told of a blob that has to be brought, before it is. */
  readonly onMissing?: (descriptor: Descriptor) => void
  /** Told of a referrer that cannot be copied for good; it must not hold up the image it is about. */
  readonly onBrokenReferrer?: (subject: Digest, error: unknown) => void
}

/** The source does not hold what one of its own manifests names, or the tree is deeper than any real one. */
export class CopyError extends Error {
  override readonly name = 'CopyError'
  readonly code: 'CONTENT_MISSING' | 'TOO_DEEP'
  readonly digest: Digest

  constructor(code: 'CONTENT_MISSING' | 'TOO_DEEP', digest: Digest) {
    super(code === 'TOO_DEEP' ? `${digest} is nested too deep` : `the parent does not hold ${digest}`)
    this.code = code
    this.digest = digest
  }
}

const depthLimit = 16

/** Copies a manifest with all it names, children before parents, and every referrer on the way. */
export async function copyManifest(job: CopyJob, digest: Digest, signal: AbortSignal): Promise<void> {
  const copied = await copyTree(job, digest, signal)
  for (const subject of new Set([...copied, digest])) await copyReferrers(job, subject, signal)
}

/** Brings what refers to a manifest, and what refers to that. */
export async function copyReferrers(job: CopyJob, subject: Digest, signal: AbortSignal, depth = 0): Promise<void> {
  if (depth === depthLimit) throw new CopyError('TOO_DEEP', subject)
  for (const { digest } of await job.source.referrers(subject, signal)) {
    if (await job.target.hasManifest(digest)) continue
    try {
      await copyTree(job, digest, signal)
      await copyReferrers(job, digest, signal, depth + 1)
    } catch (error) {
      signal.throwIfAborted()
      if (!job.onBrokenReferrer || isPassing(error)) throw error
      job.onBrokenReferrer(subject, error)
    }
  }
}

/**
 * Copies a manifest with all it names, without referrers; resolves to the manifests it brought. What the target holds is
 * skipped, for a manifest is only ever there with everything below it.
 */
export async function copyTree(
  job: CopyJob,
  digest: Digest,
  signal: AbortSignal,
  depth = 0
): Promise<readonly Digest[]> {
  if (await job.target.hasManifest(digest)) return []
  if (depth === depthLimit) throw new CopyError('TOO_DEEP', digest)
  const already = job.running?.get(digest)
  if (already) return already
  const started = bringTree(job, digest, signal, depth).finally(() => job.running?.delete(digest))
  job.running?.set(digest, started)
  return started
}

async function bringTree(job: CopyJob, digest: Digest, signal: AbortSignal, depth: number): Promise<readonly Digest[]> {
  const stored = await job.source.manifest({ kind: 'digest', digest }, signal)
  if (!stored) throw new CopyError('CONTENT_MISSING', digest)
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType)

  const copied: Digest[] = []
  for (const child of manifest.manifests) copied.push(...(await copyTree(job, child.digest, signal, depth + 1)))
  await copyBlobs(job, manifest, signal)
  await job.target.putManifest(stored)
  job.onManifest?.(stored.descriptor)
  return [...copied, digest]
}

/** All at once: how many really run is the target's matter. The first failure is thrown when the others have ended. */
async function copyBlobs(
  { source, target, onMissing }: CopyJob,
  manifest: Manifest,
  signal: AbortSignal
): Promise<void> {
  const distinct = new Map(manifest.blobs.filter((blob) => !blob.foreign).map((blob) => [blob.digest, blob]))
  const results = await Promise.allSettled(
    Array.from(distinct.values(), async (blob) => {
      if (await target.adoptBlob(blob)) return
      onMissing?.(blob)
      await target.putBlob(blob, source, signal)
    })
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** Whether another attempt may well succeed: the link's failures say so themselves. */
function isPassing(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true
}
