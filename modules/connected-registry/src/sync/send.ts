import type { Log } from '@connected-registry/edge-module/log.ts'
import { ParentError } from '../parent/parent-error.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { ParentTarget } from '../parent/parent-target.ts'
import type { ContentTarget } from '../protocol/content.ts'
import type { Descriptor } from '../protocol/descriptor.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { RepositoryPattern } from '../protocol/repository-pattern.ts'
import type { Registry } from '../registry/registry.ts'
import { keys } from '../storage/layout.ts'
import { ConflictError, type RecordStore } from '../storage/record-store.ts'
import { askAbove } from './ask-above.ts'
import type { Bases } from './bases.ts'
import { type CopyJob, copyManifest } from './copy.ts'
import { createLocalSource } from './local-source.ts'
import { isContentMissing, type Outbound } from './outbound.ts'
import { createPlaces } from './places.ts'
import { describe } from './problems.ts'
import { readAll } from './record-pages.ts'
import type { SyncPlaces } from './repository-context.ts'
import { isInScope } from './scope.ts'
import type { StatusBoard } from './status.ts'
import type { PlannedStep } from './steps.ts'

/** Copies from here into one repository of the parent. */
export interface UpJob extends CopyJob {
  readonly repository: string
  readonly registry: Registry
  readonly bases: Bases
  readonly parent: ParentRegistry
  readonly above: ParentTarget
}

export interface UpContext {
  readonly registry: Registry
  readonly records: RecordStore
  readonly bases: Bases
  readonly parent: ParentRegistry
  readonly patterns: readonly RepositoryPattern[]
  readonly board: StatusBoard
  readonly log: Log
  readonly places: Pick<SyncPlaces, 'memory'>
}

/** Uploads at once: they share one link. */
const parallelUploads = 4

export function createUpJob(context: UpContext, repository: string, signal: AbortSignal): UpJob {
  const { registry, records, bases, parent, board, log, places } = context
  const above = parent.repository(repository).target({
    signal,
    sessions: createSessions(records),
    mountFrom: (descriptor) => mountFrom(context, repository, descriptor),
    onBytes: (bytes) => board.sent({ bytes })
  })
  return {
    repository,
    registry,
    bases,
    parent,
    above,
    source: createLocalSource(registry, repository),
    target: withPlaces(above, (digest) => bases.forgetSince(repository, digest)),
    memory: places.memory,
    manifests: new Map(),
    blobs: new Map(),
    settled: new Set(),
    sparse: true,
    // It changed here too, and is told as a change of its own.
    onBrokenReferrer: (subject, error) =>
      log.debug({ repository, subject, reason: describe(error) }, 'referrer not sent'),
    onManifest: () => board.sent({ artifacts: 1 })
  }
}

/** The tag was moved above while we were about to move it. */
export class MovedAboveError extends Error {
  override readonly name = 'MovedAboveError'
  readonly code = 'MOVED_ABOVE'

  constructor(repository: string, tag: string) {
    super(`${repository}:${tag} was moved above meanwhile`)
  }
}

/**
 * Brings what a reference names here into the parent, with its referrers; a tag moves last, and only if it is above where the plan saw
 * it: the copy may have taken hours.
 */
export async function sendUp(job: UpJob, { reference, parent }: PlannedStep, digest: Digest, signal: AbortSignal) {
  const stored = await job.registry.manifests.get(job.repository, { kind: 'digest', digest })
  // Removed meanwhile: the change log will tell.
  if (!stored) throw new ConflictError(keys.link(job.repository, digest))
  await copyManifest(job, digest, signal)
  if (parseDigest(reference)) return
  const now = await askAbove(job.parent.repository(job.repository), reference, signal)
  if (now !== parent) throw new MovedAboveError(job.repository, reference)
  // The manifest is put along with its tag, and may be gone above by now.
  for (const made of [reference, digest]) await job.bases.forgetSince(job.repository, made)
  try {
    await job.above.putTag(reference, stored)
  } catch (error) {
    if (!(error instanceof ParentError) || !isContentMissing(error.parentCode)) throw error
    await copyManifest(anew(job), digest, signal)
    await job.above.putTag(reference, stored)
  }
}

/** What the parent holds already may lack manifests that were deleted there since: then all of it is brought. */
function anew(job: UpJob): UpJob {
  const target = { ...job.target, hasManifest: async () => false }
  return { ...job, target, manifests: new Map(), blobs: new Map(), settled: new Set() }
}

export async function sendRemoval({ above }: UpJob, reference: string): Promise<void> {
  const digest = parseDigest(reference)
  await (digest ? above.removeManifest(digest) : above.removeTag(reference))
}

function withPlaces(above: ParentTarget, beforeManifest: (digest: Digest) => Promise<void>): ContentTarget {
  const places = createPlaces(parallelUploads)
  return {
    ...above,
    async putBlob(descriptor, source, signal) {
      const leave = await places.take(signal)
      await above.putBlob(descriptor, source, signal).finally(leave)
    },
    async putManifest(manifest, options) {
      await beforeManifest(manifest.descriptor.digest)
      await above.putManifest(manifest, options)
    }
  }
}

/** Another repository here that holds the blob, and that the parent is likely to have. */
async function mountFrom({ registry, bases, patterns }: UpContext, repository: string, { digest }: Descriptor) {
  for await (const holder of registry.blobs.holders(digest)) {
    if (holder !== repository && isInScope(patterns, holder) && (await bases.any(holder))) return holder
  }
  return undefined
}

/** Where nothing is to go up any more, no upload that was begun is gone on with. */
export async function forgetUploads({
  records,
  outbound
}: {
  records: RecordStore
  outbound: Outbound
}): Promise<void> {
  if ((await outbound.repositories()).size > 0) return
  const stale: string[] = []
  for await (const [key] of readAll(records, keys.sendings)) stale.push(key)
  if (stale.length > 0) await records.commit({ remove: stale })
}

function createSessions(records: RecordStore) {
  return {
    async find(repository: string, { digest }: Descriptor) {
      const location = await records.get(keys.sending(repository, digest))
      return typeof location === 'string' ? location : undefined
    },
    save(repository: string, { digest }: Descriptor, location: string | undefined) {
      const key = keys.sending(repository, digest)
      return records.commit(location === undefined ? { remove: [key] } : { put: [[key, location]] })
    }
  }
}
