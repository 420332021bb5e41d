import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import type { Batch } from '../storage/record-store.ts'
import type { Bases } from './bases.ts'
import { together } from './batches.ts'
import { conflictBatch, conflictTag } from './conflicts.ts'
import { type CopyJob, copyManifest, copyTree } from './copy.ts'
import type { Outbound } from './outbound.ts'
import type { PlatformChoice } from './platforms.ts'
import { sendRemoval, sendUp, type UpJob } from './send.ts'
import type { PlannedStep } from './steps.ts'

export interface ExecuteContext {
  readonly registry: Registry
  readonly bases: Bases
  readonly outbound: Outbound
  readonly job: CopyJob
  readonly up: UpJob
  readonly repository: string
  readonly epoch: string
  /** Which manifests of an index are wanted. Undefined: all. */
  readonly wants?: PlatformChoice | undefined
  /** Whether the parent lists digests: only then one has a base of its own. */
  readonly listsDigests: boolean
  /** Whether all tags that are wanted could be read above. */
  readonly isAllRead: boolean
  /** What this registry is called in the names of conflict tags. */
  readonly registryName: string
  readonly now: () => Date
}

/**
 * Carries one step out. What is visible changes last, in one batch with its base and what it settles. False: what was to go stayed, as
 * it is needed here, or was gone already. ConflictError, MovedAboveError: something changed meanwhile, and it is to be planned again.
 */
export async function execute(context: ExecuteContext, planned: PlannedStep, signal: AbortSignal): Promise<boolean> {
  if (planned.step.kind === 'remove') return remove(context, planned)
  await settle(context, planned, signal)
  return true
}

async function settle(context: ExecuteContext, planned: PlannedStep, signal: AbortSignal): Promise<void> {
  const { bases } = context
  const { step } = planned
  switch (step.kind) {
    case 'none':
    case 'remove':
      return
    case 'agree':
      return bases.commit(agreed(context, planned, step.digest))
    case 'forget':
      return bases.commit(forgotten(context, planned))
    case 'copyDown':
      return copyDown(context, planned, step, signal)
    case 'conflict':
      return keepBoth(context, planned, step, signal)
    case 'copyUp':
      await sendUp(context.up, planned, step.digest, signal)
      return toldAbove(context, planned, (...about) => agreed(...about, step.digest))
    case 'removeAbove':
      await sendRemoval(context.up, planned.reference)
      return toldAbove(context, planned, forgotten)
  }
}

function agreed(context: ExecuteContext, planned: PlannedStep, digest: Digest): Batch {
  const { bases, outbound, repository, epoch, wants, listsDigests } = context
  const { reference, record } = planned
  const since = digest === planned.parent ? planned.since : undefined
  const isKept = listsDigests || !parseDigest(reference)
  const base = isKept ? bases.agreed(repository, reference, { digest, epoch, since, platforms: wants?.platforms }) : {}
  return record ? together(base, outbound.settled(repository, reference, record)) : base
}

function forgotten({ bases, outbound, repository }: ExecuteContext, { reference, record }: PlannedStep): Batch {
  const base = bases.forgotten(repository, reference)
  return record ? together(base, outbound.settled(repository, reference, record)) : base
}

/** The parent has it. Where it changed here meanwhile, only the base is noted: the rest is settled in another round. */
async function toldAbove(context: ExecuteContext, planned: PlannedStep, batch: BatchFor): Promise<void> {
  const { bases } = context
  try {
    await bases.commit(batch(context, planned))
  } catch (error) {
    if (!isConflict(error)) throw error
    const { record: _, ...unsettled } = planned
    await bases.commit(batch(context, unsettled))
  }
}

interface Arrival {
  readonly digest: Digest
  readonly sparse?: true
}

type BatchFor = (context: ExecuteContext, planned: PlannedStep) => Batch

async function copyDown(
  context: ExecuteContext,
  planned: PlannedStep,
  { digest, sparse }: Arrival,
  signal: AbortSignal
) {
  const { registry, bases, repository } = context
  const { reference, local } = planned
  // Before anything is fetched over the link that could not be kept.
  await registry.manifests.admit()
  const along = agreed(context, planned, digest)
  // Whoever waits for the same manifest elsewhere wants all of it.
  const job = sparse ? { ...context.job, sparse, manifests: new Map(), settled: new Set<Digest>() } : context.job
  if (parseDigest(reference)) {
    await copyTree(job, digest, signal)
    return bases.commit(along)
  }
  await copyManifest(job, digest, signal)
  // A tag is moved last, so that no reader finds one whose content is missing.
  await registry.tags.put(repository, reference, digest, { origin: 'parent', expect: local, along })
}

interface Conflict {
  readonly digest: Digest | null
  readonly kept: Digest
}

/** Tag, conflict tag, base and log entries are one batch: at no moment one of the two is without a name. */
async function keepBoth(
  context: ExecuteContext,
  planned: PlannedStep,
  { digest, kept }: Conflict,
  signal: AbortSignal
): Promise<void> {
  const { registry, job, repository, registryName, now } = context
  const { reference: tag, local } = planned
  const keepAs = await freeConflictTag(context, tag, kept, registryName)
  const note = conflictBatch(repository, keepAs, { tag, digest: kept, at: now().toISOString() })
  const settled = digest === null ? forgotten(context, planned) : agreed(context, planned, digest)
  const options = { origin: 'parent', expect: local, keepAs, along: together(settled, note) } as const
  if (digest === null) {
    await registry.tags.remove(repository, tag, options)
    return
  }
  await registry.manifests.admit()
  await copyManifest(job, digest, signal)
  await registry.tags.put(repository, tag, digest, options)
}

/** Somebody may have moved the one of this name: that must not lose its content for it. */
async function freeConflictTag({ registry, repository }: ExecuteContext, tag: string, kept: Digest, name: string) {
  for (let hexDigits = 12; ; hexDigits += 4) {
    const candidate = conflictTag(tag, name, kept, hexDigits)
    const held = await registry.tags.get(repository, candidate)
    if (!held || held.digest === kept) return candidate
  }
}

async function remove(context: ExecuteContext, planned: PlannedStep): Promise<boolean> {
  const { registry, bases, outbound, repository } = context
  const { reference, local, record } = planned
  // Also where nothing had changed here: what was deleted and put back since, maybe in this moment, looks as the plan saw it.
  const along = together(bases.forgotten(repository, reference), outbound.settled(repository, reference, record))
  const options = { origin: 'parent', along, lastLook: outbound.readAhead } as const
  const digest = parseDigest(reference)
  if (!digest) return registry.tags.remove(repository, reference, { ...options, expect: local })
  // Tags that had to go were steps of their own: one that is there now is a client's, or moved above and not looked at yet.
  return registry.manifests.remove(repository, digest, { ...options, unlessNeeded: true })
}

export function isConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'CONFLICT'
}
