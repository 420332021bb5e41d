import { type Digest, parseDigest } from '../protocol/digest.ts'
import { ConflictError } from '../storage/record-store.ts'
import { askAbove, askCreation, type PlaceWithTags } from './ask-above.ts'
import type { Bases } from './bases.ts'
import { type ExecuteContext, execute } from './execute.ts'
import { inParallel } from './places.ts'
import type { SyncStep } from './plan.ts'
import { codeOf, describe, detailOf, isLinkFailure } from './problems.ts'
import { noteRefusal } from './refusals.ts'
import { removableManifests } from './removals.ts'
import type { RepositoryContext } from './repository-context.ts'
import { companionsAmong } from './selection.ts'
import { MovedAboveError } from './send.ts'
import type { NewDetail } from './status.ts'
import { isRemoval, type PlannedStep, planReference } from './steps.ts'

export interface FailedStep {
  readonly planned: PlannedStep
  readonly detail: NewDetail
}

const parallelSteps = 4
/** How often a step is planned again because something changed under it. */
const attemptLimit = 5

/**
 * Carries the steps of one repository out. What arrives comes first, so that a tag which moved does not lose its old content
 * before it has the new one; then what goes up, in the order in which it came here; manifests go last, after the tags that point at
 * them, and above before those. Resolves to the steps that failed, in their order; throws what ends the round.
 */
export async function carryOut(
  context: RepositoryContext,
  executing: ExecuteContext,
  steps: readonly PlannedStep[],
  signal: AbortSignal
): Promise<readonly FailedStep[]> {
  const { registry, transfers, board, log } = context
  const name = executing.repository
  if (steps.length > 0) registry.wake()
  const failed = new Map<PlannedStep, NewDetail>()
  const run = async (planned: PlannedStep) => {
    signal.throwIfAborted()
    try {
      await settle(context, executing, planned, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (isLinkFailure(error)) throw error
      const { reference } = planned
      log.warn({ repository: name, reference, code: codeOf(error), reason: describe(error) }, 'step failed')
      failed.set(planned, detailOf(error, `${name}:${reference}`))
    } finally {
      if (planned.step.kind === 'copyDown') board.arrived({ missingReferences: -1 })
    }
  }
  const missing = steps.filter(({ step }) => step.kind === 'copyDown').length
  if (missing > 0) {
    transfers.wake()
    board.arrived({ missingReferences: missing })
  }
  const { arrivals, departures, removalsAbove, tags, manifests } = inOrder(steps)
  await inParallel(arrivals, context.places.references.count, async (planned) => {
    const leave = await context.places.references.take(signal)
    await run(planned).finally(leave)
  })
  await inParallel(departures, parallelSteps, run)
  for (const planned of removalsAbove) await run(planned)
  // What rules leave out stays while something they choose in its place did not come.
  const isLacking = !executing.isAllRead || Array.from(failed).some(isLost)
  const waiting = new Set(tags.filter(({ isLeftOut }) => isLeftOut && isLacking))
  const held = () => localsOf([...failed.keys(), ...waiting])
  // What was to go and is here still keeps what is said about it.
  const companions = new Set(await companionsAmong({ registry, repository: name }, tags.map(nameOf), held()))
  const leaving = tags.filter((planned) => !waiting.has(planned) && !companions.has(planned.reference))
  await inParallel(leaving, parallelSteps, run)
  const doomed = new Set(manifests.keys())
  const removable = await removableManifests({ registry, repository: name, doomed, held: held() })
  for (const digest of removable) await run(manifests.get(digest)!)
  return steps.flatMap((planned) => {
    const detail = failed.get(planned)
    return detail ? [{ planned, detail }] : []
  })
}

/** It did not come; where the disk has no room, what is to go makes some. */
function isLost([{ step }, { code }]: readonly [PlannedStep, NewDetail]): boolean {
  return step.kind === 'copyDown' && code !== 'DiskError'
}

function nameOf({ reference }: PlannedStep): string {
  return reference
}

function localsOf(steps: Iterable<PlannedStep>): readonly Digest[] {
  return Array.from(steps).flatMap(({ local }) => local ?? [])
}

/** What goes above is planned by what the parent has in this moment; any step that met a change on either side is planned again. */
async function settle(
  context: RepositoryContext,
  executing: ExecuteContext,
  planned: PlannedStep,
  signal: AbortSignal
): Promise<void> {
  let current = planned.step.kind === 'removeAbove' ? await planAgain(context, executing, planned, signal) : planned
  for (let attempt = 1; ; attempt++) {
    try {
      if (await execute(executing, current, signal)) report(context, executing.repository, current)
      return
    } catch (error) {
      const isRefused = await noteRefusal(context, executing.repository, current, error)
      if (isRefused && context.mode === 'ReadWrite') return
      if (attempt === attemptLimit || !(isRefused || isOvertaken(error))) throw error
      await context.outbound.catchUp()
      current = await planAgain(context, executing, current, signal)
    }
  }
}

function isOvertaken(error: unknown): boolean {
  return error instanceof ConflictError || error instanceof MovedAboveError
}

async function planAgain(
  context: RepositoryContext,
  { repository, epoch, wants }: ExecuteContext,
  { reference, step, parent: seen, since }: PlannedStep,
  signal: AbortSignal
): Promise<PlannedStep> {
  const { bases, outbound, parent } = context
  const base = await bases.get(repository, reference)
  const above = parent.repository(repository)
  // Hours may have gone by since the look, and a deletion is the one step that cannot be made good again.
  const isTelling = step.kind === 'removeAbove' && (base?.since !== undefined || since !== undefined)
  const now: PlaceWithTags = isTelling
    ? await askCreation(above, reference, signal)
    : { parent: await askAbove(above, reference, signal) }
  const known = now.parent === seen ? since : undefined
  const record = await outbound.get(repository, reference)
  const planned = await planReference({ ...context, wants }, { repository, epoch, base, record }, reference, {
    parent: now.parent,
    since: now.since ?? known
  })
  const digest = parseDigest(reference)
  if (!digest || planned.step.kind !== 'removeAbove') return planned
  // Whether a digest may be deleted above was decided with all tags in view.
  if (step.kind !== 'removeAbove') return { ...planned, step: { kind: 'none' } }
  const isTagged = await isTaggedAnew(bases, repository, digest, now.tags)
  return isTagged ? { ...planned, step: { kind: 'copyDown', digest } } : planned
}

/** It would be deleted with a tag that somebody put on it above since. */
async function isTaggedAnew(bases: Bases, repository: string, digest: Digest, tags: readonly string[] = []) {
  for (const tag of tags) if ((await bases.get(repository, tag))?.digest !== digest) return true
  return false
}

function inOrder(steps: readonly PlannedStep[]) {
  const arrivals: PlannedStep[] = []
  const departures: PlannedStep[] = []
  const removalsAbove: PlannedStep[] = []
  const tags: PlannedStep[] = []
  const manifests = new Map<Digest, PlannedStep>()
  for (const planned of steps) {
    const digest = parseDigest(planned.reference)
    if (planned.step.kind === 'copyUp') departures.push(planned)
    else if (planned.step.kind === 'removeAbove') removalsAbove.push(planned)
    else if (!isRemoval(planned)) arrivals.push(planned)
    else if (digest && planned.step.kind === 'remove') manifests.set(digest, planned)
    else tags.push(planned)
  }
  departures.sort(bySequence)
  // A digest takes its tags along, where a parent cannot untag: these are settled then.
  const digestsFirst = (one: PlannedStep, other: PlannedStep) => rankOf(one) - rankOf(other) || bySequence(one, other)
  removalsAbove.sort(digestsFirst)
  return { arrivals, departures, removalsAbove, tags, manifests }
}

function bySequence(one: PlannedStep, other: PlannedStep): number {
  return (one.record?.sequence ?? 0) - (other.record?.sequence ?? 0)
}

function rankOf({ reference }: PlannedStep): number {
  return parseDigest(reference) ? 0 : 1
}

function report({ board, log }: RepositoryContext, repository: string, { reference, step }: PlannedStep): void {
  if (step.kind === 'remove') board.removed()
  const words = happened[step.kind]
  const { kind: _, ...details } = step
  if (words) log[step.kind === 'conflict' ? 'warn' : 'info']({ repository, reference, ...details }, words)
}

const happened: Readonly<Partial<Record<SyncStep['kind'], string>>> = {
  copyDown: 'reference brought from the parent',
  remove: 'reference removed, as the parent did',
  copyUp: 'reference brought to the parent',
  removeAbove: 'reference removed from the parent, as a client did here',
  conflict: 'reference changed on both sides: the parent won, and the other is kept'
}
