import type { Log } from '@connected-registry/edge-module/log.ts'
import { type Digest, parseDigest } from '../protocol/digest.ts'
import type { CopyJob } from './copy.ts'
import { execute } from './execute.ts'
import { inParallel } from './places.ts'
import { codeOf, describe, detailOf, isLinkFailure } from './problems.ts'
import { removableManifests } from './removals.ts'
import type { RepositoryContext } from './repository-context.ts'
import type { NewDetail } from './status.ts'
import { isRemoval, type PlannedStep } from './steps.ts'

export interface FailedStep {
  readonly planned: PlannedStep
  readonly detail: NewDetail
}

const parallelSteps = 4

/**
 * Carries the steps of one repository out. What arrives comes first, so that a tag which moved does not lose its old content
 * before it has the new one; manifests go last, after the tags that point at them. Resolves to the steps that failed, in their
 * order; throws what ends the round.
 */
export async function carryOut(
  context: RepositoryContext,
  name: string,
  job: CopyJob,
  steps: readonly PlannedStep[],
  signal: AbortSignal
): Promise<readonly FailedStep[]> {
  const { registry, bases, board, parent, log } = context
  const failed = new Map<PlannedStep, NewDetail>()
  const run = async (planned: PlannedStep) => {
    signal.throwIfAborted()
    try {
      const isDone = await execute({ registry, bases, job, repository: name, epoch: parent.epoch }, planned, signal)
      if (!isDone) return
      if (planned.step.kind === 'remove') board.removed()
      report(log, name, planned)
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      const { reference } = planned
      log.warn({ repository: name, reference, code: codeOf(error), reason: describe(error) }, 'step failed')
      failed.set(planned, detailOf(error, `${name}:${reference}`))
    }
  }
  const { arrivals, tags, manifests } = inOrder(steps)
  await inParallel(arrivals, parallelSteps, run)
  await inParallel(tags, parallelSteps, run)
  const held = Array.from(failed.keys()).flatMap(({ local }) => local ?? [])
  const doomed = new Set(manifests.keys())
  const removable = await removableManifests({ registry, repository: name, doomed, held })
  for (const digest of removable) await run(manifests.get(digest)!)
  return steps.flatMap((planned) => {
    const detail = failed.get(planned)
    return detail ? [{ planned, detail }] : []
  })
}

function inOrder(steps: readonly PlannedStep[]) {
  const arrivals: PlannedStep[] = []
  const tags: PlannedStep[] = []
  const manifests = new Map<Digest, PlannedStep>()
  for (const planned of steps) {
    const digest = parseDigest(planned.reference)
    if (!isRemoval(planned)) arrivals.push(planned)
    else if (digest && planned.step.kind === 'remove') manifests.set(digest, planned)
    else tags.push(planned)
  }
  return { arrivals, tags, manifests }
}

function report(log: Log, repository: string, { reference, step }: PlannedStep): void {
  if (step.kind === 'copyDown')
    log.info({ repository, reference, digest: step.digest }, 'reference brought from the parent')
  if (step.kind === 'remove') log.info({ repository, reference }, 'reference removed, as the parent did')
}
