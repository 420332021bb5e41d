import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import type { Bases } from './bases.ts'
import { type CopyJob, copyManifest, copyTree } from './copy.ts'
import type { PlannedStep } from './steps.ts'

export interface ExecuteContext {
  readonly registry: Registry
  readonly bases: Bases
  readonly job: CopyJob
  readonly repository: string
  readonly epoch: string
}

/**
 * Carries one step out. What is visible changes last, in one batch with its base. False: what was to go stayed, as it is needed
 * here, or was gone already.
 */
export async function execute(context: ExecuteContext, planned: PlannedStep, signal: AbortSignal): Promise<boolean> {
  if (planned.step.kind === 'remove') return remove(context, planned)
  await bring(context, planned, signal)
  return true
}

async function bring(context: ExecuteContext, planned: PlannedStep, signal: AbortSignal): Promise<void> {
  const { bases, repository, epoch } = context
  const { reference, step } = planned
  switch (step.kind) {
    case 'none':
    case 'remove':
      return
    case 'agree':
      return bases.commit(bases.agreed(repository, reference, step.digest, epoch))
    case 'forget':
      return bases.commit(bases.forgotten(repository, reference))
    case 'copyDown':
      return copyDown(context, planned, step.digest, signal)
  }
}

async function copyDown(
  context: ExecuteContext,
  { reference, local }: PlannedStep,
  digest: Digest,
  signal: AbortSignal
) {
  const { registry, bases, job, repository, epoch } = context
  const along = bases.agreed(repository, reference, digest, epoch)
  if (parseDigest(reference)) {
    await copyTree(job, digest, signal)
    return bases.commit(along)
  }
  await copyManifest(job, digest, signal)
  // A tag is moved last, so that no reader finds one whose content is missing.
  await registry.tags.put(repository, reference, digest, { origin: 'parent', expect: local, along })
}

async function remove(
  { registry, bases, repository }: ExecuteContext,
  { reference, local }: PlannedStep
): Promise<boolean> {
  const options = { origin: 'parent', along: bases.forgotten(repository, reference) } as const
  const digest = parseDigest(reference)
  if (!digest) return registry.tags.remove(repository, reference, { ...options, expect: local })
  // Tags that had to go were steps of their own: one that is there now is a client's, or moved above and not looked at yet.
  return registry.manifests.remove(repository, digest, { ...options, unlessNeeded: true })
}
