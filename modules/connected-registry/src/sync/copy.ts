import type { ContentSource, ContentTarget, StoredManifest } from '../protocol/content.ts'
import type { ChildChoice, Descriptor } from '../protocol/descriptor.ts'
import type { Digest } from '../protocol/digest.ts'
import { type Manifest, parseManifest } from '../protocol/manifest.ts'
import { createEarlyReferrers, type EarlyReferrers } from './early-referrers.ts'
import { type ManifestMemory, NoRoomError } from './manifest-memory.ts'
import { inFreePlaces, type Places } from './places.ts'
import { isLinkFailure, isPassing } from './problems.ts'

export interface CopyJob {
  readonly source: ContentSource
  readonly target: ContentTarget
  /**
   * Copies under way and those that failed: several tags often lead to the same manifest, and several manifests to the same
   * layer. Each is brought once, and what failed is not asked for again as long as this job lives. Blobs by digest and size: a
   * manifest that is wrong about a layer must not spoil it for the others.
   */
  readonly manifests: Map<string, Promise<readonly Digest[]>>
  readonly blobs: Map<string, Promise<void>>
  /** Whose referrers were asked for, when it was there itself, and came as far as they can. */
  readonly settled: Set<Digest>
  /** For manifests whose content is on its way. */
  readonly memory: ManifestMemory
  /** For the manifests that travel beside each other. Undefined: one after the other. */
  readonly places?: Places
  /** Which manifests of an index are brought. Undefined: all. */
  readonly wants?: ChildChoice
  /** An index may name manifests that the source lacks: then the target says whether it takes it so. */
  readonly sparse?: boolean
  /** Told of each manifest that became part of the target. */
  readonly onManifest?: (descriptor: Descriptor) => void
  /** Told of a blob that has to be brought, before it is. */
  readonly onMissing?: (descriptor: Descriptor) => void
  /** Told of a referrer that cannot be copied for good; it must not hold up the image it is about. */
  readonly onBrokenReferrer?: (subject: Digest, error: unknown) => void
}

/** One copy of a tree whose referrers travel with it. */
interface TreeJob extends CopyJob {
  readonly early?: EarlyReferrers
}

/** The source does not hold what one of its own manifests names, or the tree is deeper than any real one. */
export class CopyError extends Error {
  override readonly name = 'CopyError'
  readonly code: 'CONTENT_MISSING' | 'TOO_DEEP'
  readonly digest: Digest

  constructor(code: 'CONTENT_MISSING' | 'TOO_DEEP', digest: Digest, source = 'the parent') {
    super(code === 'TOO_DEEP' ? `${digest} is nested too deep` : `${source} does not hold ${digest}`)
    this.code = code
    this.digest = digest
  }
}

const depthLimit = 16

/** Copies a manifest with all it names, children before parents, and every referrer on the way. */
export async function copyManifest(job: CopyJob, digest: Digest, signal: AbortSignal): Promise<void> {
  const early = createEarlyReferrers(job.source, signal)
  const copying = { ...job, early }
  try {
    const copied = await copyTree(copying, digest, signal)
    const subjects = [...new Set([...copied, digest])]
    await inFreePlaces(subjects, job.places, (subject) => copyReferrers(copying, subject, signal))
  } finally {
    await early.end()
  }
}

/** Brings what refers to a manifest, and what refers to that. */
export async function copyReferrers(job: TreeJob, subject: Digest, signal: AbortSignal, depth = 0): Promise<void> {
  if (depth === depthLimit) throw new CopyError('TOO_DEEP', subject)
  const list = () => job.early?.take(subject) ?? job.source.referrers(subject, signal)
  const referrers = await unlessBroken(job, subject, signal, list)
  await inFreePlaces(referrers ?? [], job.places, async ({ digest }) => {
    if (await job.target.hasManifest(digest)) return
    await unlessBroken(job, subject, signal, async () => {
      await copyTree(job, digest, signal)
      await copyReferrers(job, digest, signal, depth + 1)
    })
  })
  job.settled.add(subject)
}

/** Undefined: it failed for good, and that was told. What may pass is thrown, for a later round does it again. */
async function unlessBroken<T>(job: CopyJob, subject: Digest, signal: AbortSignal, act: () => Promise<T>) {
  try {
    return await act()
  } catch (error) {
    signal.throwIfAborted()
    if (!job.onBrokenReferrer || isPassing(error) || isLinkFailure(error)) throw error
    job.onBrokenReferrer(subject, error)
    return undefined
  }
}

/**
 * Copies a manifest with all it names, without referrers; resolves to the manifests it brought. What the target holds is
 * skipped, for a manifest is only ever there with everything below it.
 */
export async function copyTree(
  job: TreeJob,
  digest: Digest,
  signal: AbortSignal,
  { depth, bytesAbove }: TreeDepth = { depth: 0, bytesAbove: 0 }
): Promise<readonly Digest[]> {
  if (await job.target.hasManifest(digest)) return []
  if (depth === depthLimit) throw new CopyError('TOO_DEEP', digest)
  const { roots, nested } = job.memory
  const hold = (bytes: number) => (depth === 0 ? roots : nested).holdFree(bytes)
  const bringing = onceEach(job.manifests, digest, () => bringTree(job, digest, signal, { depth, bytesAbove, hold }))
  if (depth > 0) return bringing
  return bringing.catch((error: unknown) => {
    if (!(error instanceof NoRoomError && error.digest === digest)) throw error
    if (job.manifests.get(digest) === bringing) job.manifests.delete(digest)
    return copyInTurn(job, digest, signal, error.bytes)
  })
}

/** Once there is room for the manifest, which is asked for again. Who waits for others meanwhile does not find this one. */
async function copyInTurn(
  job: TreeJob,
  digest: Digest,
  signal: AbortSignal,
  bytes: number
): Promise<readonly Digest[]> {
  const release = await job.memory.roots.hold(bytes, signal)
  const at = { depth: 0, bytesAbove: 0, hold: () => release }
  return onceEach(job.manifests, digest, () => bringTree(job, digest, signal, at)).finally(release)
}

interface TreeDepth {
  readonly depth: number
  /** Of the manifests above this one, which are held until it is there; without the first, which has memory of its own. */
  readonly bytesAbove: number
}

interface TreePlace extends TreeDepth {
  /** Room for so many bytes of a manifest. Undefined: there is none now. */
  readonly hold: (bytes: number) => (() => void) | undefined
}

function onceEach<T>(known: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
  const already = known.get(key)
  if (already) return already
  const started = start()
  known.set(key, started)
  started.then(
    () => known.delete(key),
    () => undefined
  )
  return started
}

async function bringTree(job: TreeJob, digest: Digest, signal: AbortSignal, at: TreePlace): Promise<readonly Digest[]> {
  job.early?.ask(digest)
  const stored = await job.source.manifest({ kind: 'digest', digest }, signal)
  if (!stored) throw new CopyError('CONTENT_MISSING', digest)
  const { byteLength } = stored.bytes
  const nestedBytes = at.depth === 0 ? 0 : at.bytesAbove + byteLength
  const isNever = at.bytesAbove > 0 && nestedBytes > job.memory.nested.limit
  if (isNever) throw new NoRoomError(digest, byteLength, 'ever')
  const release = at.hold(byteLength)
  if (!release) throw new NoRoomError(digest, byteLength)
  const below = { depth: at.depth + 1, bytesAbove: nestedBytes }
  return bringNamed(job, stored, signal, below).finally(release)
}

async function bringNamed(
  job: TreeJob,
  stored: StoredManifest,
  signal: AbortSignal,
  below: TreeDepth
): Promise<readonly Digest[]> {
  const { digest, mediaType } = stored.descriptor
  const manifest = parseManifest(stored.bytes, mediaType)
  // Whoever waits for the same manifest is told the same.
  const copied = new Set<Digest>()
  const { manifests } = manifest
  const wanted = await childrenToCopy(job, manifests, signal)
  await inFreePlaces(wanted, job.places, async (child) => {
    for (const each of await copyTree(job, child, signal, below)) copied.add(each)
  })
  await copyBlobs(job, manifest, signal)
  await job.target.putManifest(stored, { sparse: wanted.length < digestsOf(manifests).length })
  job.onManifest?.(stored.descriptor)
  return [...copied, digest]
}

/** Each once, however often it is named: an index may name one child ten thousand times. */
async function childrenToCopy(job: CopyJob, manifests: readonly Descriptor[], signal: AbortSignal) {
  const wanted = digestsOf(job.wants ? manifests.filter((child) => job.wants?.(child, manifests)) : manifests)
  if (!job.sparse) return wanted
  const found: Digest[] = []
  for (const digest of wanted) {
    if (await job.source.manifest({ kind: 'digest', digest }, signal)) found.push(digest)
  }
  return found
}

function digestsOf(manifests: readonly Descriptor[]): readonly Digest[] {
  return [...new Set(manifests.map(({ digest }) => digest))]
}

/** All at once: how many really run is the target's matter. The first failure is thrown when the others have ended. */
async function copyBlobs(job: CopyJob, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const blobs = manifest.blobs.filter((blob) => !blob.foreign)
  const results = await Promise.allSettled(
    blobs.map((blob) => onceEach(job.blobs, `${blob.digest} ${blob.size}`, () => bringBlob(job, blob, signal)))
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function bringBlob({ source, target, onMissing }: CopyJob, blob: Descriptor, signal: AbortSignal): Promise<void> {
  if (await target.adoptBlob(blob)) return
  onMissing?.(blob)
  await target.putBlob(blob, source, signal)
}
