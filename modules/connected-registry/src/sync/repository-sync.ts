import type { Log } from '@connected-registry/edge-module/log.ts'
import type { Mode } from '../access/authorize.ts'
import type { ParentRegistry } from '../parent/parent-registry.ts'
import type { Registry } from '../registry/registry.ts'
import type { Bases } from './bases.ts'
import { type CopyJob, copyReferrers } from './copy.ts'
import { execute } from './execute.ts'
import { createLocalTarget } from './local-target.ts'
import { look, type ParentView } from './look.ts'
import { codeOf, describe, detailOf, isContact, isLinkFailure } from './problems.ts'
import type { NewDetail, RepositoryStatus, StatusBoard } from './status.ts'
import { type PlannedStep, planRepository } from './steps.ts'
import { createPlaces, type Transfers } from './transfers.ts'

export interface RepositoryContext {
  readonly registry: Registry
  readonly bases: Bases
  readonly transfers: Transfers
  readonly parent: ParentRegistry
  readonly mode: Mode
  readonly board: StatusBoard
  readonly log: Log
  /** Repositories that lacked most of what was agreed on when last looked at; kept from round to round. */
  readonly shrunk: Set<string>
  /** Compare everything, whatever the parent says has changed; with the referrers of all that is held. */
  readonly complete: boolean
  readonly correlationId: string
}

export interface RepositoryOutcome {
  readonly status: RepositoryStatus
  readonly details: readonly NewDetail[]
  readonly removed: number
  /** The parent answered, whatever it said. */
  readonly reached: boolean
}

const parallelSteps = 4

/** Brings one repository into agreement with its parent. Its own failures become details; the link's are thrown. */
export async function syncRepository(
  context: RepositoryContext,
  name: string,
  signal: AbortSignal
): Promise<RepositoryOutcome> {
  try {
    return await agree(context, name, signal)
  } catch (error) {
    signal.throwIfAborted()
    if (isLinkFailure(error)) throw error
    context.log.warn({ repository: name, code: codeOf(error), reason: describe(error) }, 'repository not synced')
    const status = { ...context.board.repository(name), problem: describe(error) }
    return { status, details: [detailOf(error, name)], removed: 0, reached: isContact(error) }
  }
}

async function agree(context: RepositoryContext, name: string, signal: AbortSignal): Promise<RepositoryOutcome> {
  const { bases, parent, complete } = context
  const at = new Date().toISOString()
  const previous = complete ? undefined : await bases.looked(name)
  const view = await look(parent.repository(name), { epoch: parent.epoch, previous, signal })
  const agreed = await bases.read(name, parent.epoch)
  if (!view) {
    return {
      status: { name, wanted: agreed.size, have: agreed.size, lastSync: at },
      details: [],
      removed: 0,
      reached: true
    }
  }

  const planned = await planRepository(context, name, view, agreed)
  const believed = isBelieved(context, name, planned.shrunk)
  const steps = believed ? planned.steps : planned.steps.filter(({ step }) => !isRemoval(step.kind))
  const job = createJob(context, name)
  const failures = await carryOut(context, name, job, steps, signal)
  if (complete) failures.push(...(await bringLateReferrers(context, name, job, signal)))

  const details = [...unknownTags(name, view), ...(believed ? [] : [shrunkDetail(name)]), ...failures, ...job.broken]
  if (view.looked && details.length === 0) await bases.saveLooked(name, view.looked)
  const wanted = view.tags.size + (view.digests?.size ?? 0) + view.unknown.size
  const problem = details[0]?.description
  const have = wanted - view.unknown.size - failures.length
  return {
    status: { name, wanted, have, ...(problem ? { problem } : { lastSync: at }) },
    details,
    removed: steps.filter(({ step }) => step.kind === 'remove').length,
    reached: true
  }
}

/** A repository that suddenly lost most of what was agreed on is believed only when it says so twice. */
function isBelieved({ shrunk }: RepositoryContext, name: string, isShrunk: boolean): boolean {
  if (!isShrunk) shrunk.delete(name)
  if (!isShrunk || shrunk.has(name)) return true
  shrunk.add(name)
  return false
}

function isRemoval(kind: PlannedStep['step']['kind']): boolean {
  return kind === 'remove' || kind === 'forget'
}

function createJob(
  { registry, transfers, parent, board }: RepositoryContext,
  name: string
): CopyJob & { broken: NewDetail[] } {
  const broken: NewDetail[] = []
  return {
    source: parent.repository(name),
    target: createLocalTarget(registry, transfers, name),
    running: new Map(),
    onManifest: () => board.arrived({ artifacts: 1 }),
    onMissing: ({ size }) => board.arrived({ missingBytes: size }),
    onBrokenReferrer: (subject, error) => broken.push(detailOf(error, `referrer of ${name}@${subject}`)),
    broken
  }
}

/** What arrives comes first, so that a tag which moved does not lose its old content before it has the new one. */
async function carryOut(
  context: RepositoryContext,
  name: string,
  job: CopyJob,
  steps: readonly PlannedStep[],
  signal: AbortSignal
): Promise<NewDetail[]> {
  const { registry, bases, parent, log } = context
  const failures: NewDetail[] = []
  const places = createPlaces(parallelSteps)
  const run = async (planned: PlannedStep) => {
    const leave = await places.take(signal)
    try {
      await execute({ registry, bases, job, repository: name, epoch: parent.epoch }, planned, signal)
      report(log, name, planned)
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      log.warn(
        { repository: name, reference: planned.reference, code: codeOf(error), reason: describe(error) },
        'step failed'
      )
      failures.push(detailOf(error, `${name}:${planned.reference}`))
    } finally {
      leave()
    }
  }
  await settled(steps.filter(({ step }) => !isRemoval(step.kind)).map(run))
  await settled(steps.filter(({ step }) => isRemoval(step.kind)).map(run))
  return failures
}

/** Waits for all, then throws the first failure: nothing goes on unseen behind an iteration that has ended. */
async function settled(running: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(running)) if (result.status === 'rejected') throw result.reason
}

function report(log: Log, repository: string, { reference, step }: PlannedStep): void {
  if (step.kind === 'copyDown')
    log.info({ repository, reference, digest: step.digest }, 'reference brought from the parent')
  if (step.kind === 'remove') log.info({ repository, reference }, 'reference removed, as the parent did')
}

/** Referrers that were attached above after their subject had arrived, on parents that do not list manifests. */
async function bringLateReferrers(context: RepositoryContext, name: string, job: CopyJob, signal: AbortSignal) {
  const failures: NewDetail[] = []
  for (let after: string | undefined; ; ) {
    const page = await context.registry.manifests.list(name, { after, limit: 100 })
    for (const { digest } of page) {
      try {
        await copyReferrers(job, digest, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (isLinkFailure(error)) throw error
        failures.push(detailOf(error, `referrers of ${name}@${digest}`))
      }
    }
    if (page.length < 100) return failures
    after = page.at(-1)!.digest
  }
}

function unknownTags(name: string, view: ParentView): NewDetail[] {
  return Array.from(view.unknown, ([tag, reason]) =>
    reason === undefined
      ? {
          type: 'Content',
          code: 'MANIFEST_UNKNOWN',
          description: `${name}:${tag} is listed by the parent but not there`
        }
      : detailOf(reason, `${name}:${tag}`)
  )
}

function shrunkDetail(name: string): NewDetail {
  const description = `${name}: the parent shows less than half of what it had; nothing is removed until it says so again`
  return { type: 'Parent', code: 'PARENT_SHRUNK', description }
}
