import type { Mode } from '../access/authorize.ts'
import { companionOf } from '../protocol/companion-tag.ts'
import type { Digest } from '../protocol/digest.ts'
import { parseDigest } from '../protocol/digest.ts'
import type { Registry } from '../registry/registry.ts'
import type { Base } from './bases.ts'
import { withoutUsed } from './client-content.ts'
import { type ParentView, sinceAbove } from './look.ts'
import { baseOf, type OutboundRecord } from './outbound.ts'
import { areTwoPushes, plan, type ReferenceState, type SyncStep } from './plan.ts'
import type { PlatformChoice } from './platforms.ts'

/** One step with what it is about. `local` and `parent` are what the plan saw, and what the step insists on. */
export interface PlannedStep {
  readonly reference: string
  readonly local: Digest | null
  readonly parent: Digest | null
  readonly step: SyncStep
  /** What the parent says of the creation of `parent`; written with the base. */
  readonly since?: string | undefined
  /** What changed here, where the step settles that. */
  readonly record?: OutboundRecord
  /** The parent has this image: it goes because rules choose others instead. */
  readonly isLeftOut?: boolean
}

export interface PlanContext {
  readonly registry: Registry
  readonly mode: Mode
  readonly wants?: PlatformChoice | undefined
}

export function isRemoval({ step }: PlannedStep): boolean {
  return step.kind === 'remove' || step.kind === 'forget'
}

/** What is known of a repository before anything is planned. */
export interface RepositoryFacts {
  readonly repository: string
  readonly epoch: string
  /** Of any epoch. */
  readonly bases: ReadonlyMap<string, Base>
  readonly outbound: ReadonlyMap<string, OutboundRecord>
  /** Undefined: nothing changed above since both agreed, apart from what was asked for by name. */
  readonly view: ParentView | undefined
  /** References that the parent was asked for one by one. */
  readonly asked: ReadonlyMap<string, Digest | null>
  /** Every tag of the parent, also what rules leave out. Undefined: they are not all known. */
  readonly tagsAbove?: ReadonlyMap<string, Digest> | undefined
}

export interface RepositoryPlan {
  readonly steps: readonly PlannedStep[]
  /** The view lacks more than half of what was agreed on: removals wait until a second look says the same. */
  readonly shrunk: boolean
}

/** Compares one repository: every reference that either side, the bases or the change log know of. Tags come before digests. */
export async function planRepository(context: PlanContext, facts: RepositoryFacts): Promise<RepositoryPlan> {
  const { repository, epoch, view, outbound } = facts
  const agreed = currentBases(facts.bases, epoch)
  const steps: PlannedStep[] = []
  for (const reference of references(facts, agreed)) {
    const parent = parentPlace(facts, reference)
    if (parent === undefined) continue
    const about = { repository, epoch, base: facts.bases.get(reference), record: outbound.get(reference) }
    const above = { parent, since: sinceAbove(view, reference, parent) }
    const planned = unlessTagged(await planReference(context, about, reference, above), facts)
    const isLeftOut = view?.unwanted.has(reference) === true && companionOf(reference) === undefined
    if (planned.step.kind !== 'none') steps.push(isLeftOut ? { ...planned, isLeftOut } : planned)
  }
  const { registry } = context
  const kept = context.mode === 'ReadWrite' ? await withoutUsed({ registry, repository, bases: agreed }, steps) : steps
  return { steps: kept, shrunk: view !== undefined && isShrunk(view, agreed) }
}

export interface ReferenceFacts {
  readonly repository: string
  readonly epoch: string
  /** Of any epoch. */
  readonly base: Base | undefined
  readonly record: OutboundRecord | undefined
}

/** What the parent has, as in `PlannedStep`. */
export type ParentPlace = Pick<PlannedStep, 'parent' | 'since'>

/** Of one reference, with what is here now. */
export async function planReference(
  context: PlanContext,
  { repository, epoch, base: stored, record }: ReferenceFacts,
  reference: string,
  { parent, since }: ParentPlace
): Promise<PlannedStep> {
  const local = await localPlace(context.registry, repository, reference)
  const current = stored?.epoch === epoch ? stored : undefined
  const base = baseOf(reference, new Map(current && [[reference, current.digest]]), record)
  const times = { baseSince: current?.since, parentSince: since }
  const state: ReferenceState = { reference, base, local, parent, ...times, isTouched: record !== undefined }
  const step = record ? ourStep(context.mode, state, record) : theirStep(context.mode, state, stored)
  const whole = await wholly(context, { repository, base: current }, state, step)
  return { reference, local, parent, step: whole, ...(since !== undefined && { since }), ...(record && { record }) }
}

/** It changed here: what the parent does not refuse goes up, in whatever mode we are by now. */
function ourStep(mode: Mode, state: ReferenceState, { refusal }: OutboundRecord): SyncStep {
  const step = plan({ ...state, ...(refusal && { refusal }) }, 'ReadWrite')
  return step.kind === 'none' && refusal ? afterRefusal(mode, state) : settled(step, state)
}

/** The change log has not told of any change here. Where it shows already it will; what came from another parent is none. */
function theirStep(mode: Mode, state: ReferenceState, stored: Base | undefined): SyncStep {
  const { reference, base, local } = state
  const isChanging = parseDigest(reference) ? local === null && base !== undefined : local !== (stored?.digest ?? null)
  return mode === 'ReadWrite' && isChanging ? { kind: 'none' } : plan(state, 'ReadOnly')
}

/** What changed here and changed back is settled, too. */
function settled(step: SyncStep, { local }: ReferenceState): SyncStep {
  if (step.kind !== 'none') return step
  return local === null ? { kind: 'forget' } : { kind: 'agree', digest: local }
}

/** In ReadOnly mode the parent is right in the end; what it refused and would be lost by that is kept. */
function afterRefusal(mode: Mode, state: ReferenceState): SyncStep {
  if (mode === 'ReadWrite') return { kind: 'none' }
  const { local } = state
  const step = plan(state, 'ReadOnly')
  if (local === null || parseDigest(state.reference)) return step
  if (step.kind === 'copyDown') return { kind: 'conflict', digest: step.digest, kept: local }
  return step.kind === 'remove' ? { kind: 'conflict', digest: null, kept: local } : step
}

/** A digest is deleted above with its tags: where somebody put another one on it there, it comes back instead. */
function unlessTagged(planned: PlannedStep, { tagsAbove, bases, view }: RepositoryFacts): PlannedStep {
  const digest = parseDigest(planned.reference)
  if (planned.step.kind !== 'removeAbove' || !digest) return planned
  if (!tagsAbove) return { ...planned, step: { kind: 'none' } }
  const isNewAbove = ([tag, target]: readonly [string, Digest]) =>
    target === digest && isOther(bases.get(tag), digest, sinceAbove(view, tag, digest))
  const isTagged = Array.from(tagsAbove).some(isNewAbove)
  return isTagged ? { ...planned, step: { kind: 'copyDown', digest } } : planned
}

function isOther(base: Base | undefined, digest: Digest, since: string | undefined): boolean {
  return base?.digest !== digest || areTwoPushes(base.since, since)
}

/**
 * Both hold the same index, but clients pushed it here without all of its manifests, or removed some: what is missing still has to
 * come. In ReadWrite mode what was agreed on before stays as clients have left it, as long as the same platforms are wanted.
 */
async function wholly(
  { registry, mode, wants }: PlanContext,
  { repository, base: agreed }: { readonly repository: string; readonly base: Base | undefined },
  { base, local, parent, isTouched }: ReferenceState,
  step: SyncStep
): Promise<SyncStep> {
  const isAnotherChoice = mode === 'ReadWrite' && agreed?.digest === parent && agreed?.platforms !== wants?.platforms
  const isAgreed = step.kind === 'none' && (mode === 'ReadOnly' || (isAnotherChoice && !isTouched))
  const isAsLeft = mode === 'ReadWrite' && base === parent && !isTouched && !isAnotherChoice
  if ((step.kind !== 'agree' && !isAgreed) || isAsLeft) return step
  if (parent === null || local !== parent) return step
  if (!(await registry.manifests.isWhole(repository, parent, wants))) {
    // What clients removed may be gone above as well.
    return { kind: 'copyDown', digest: parent, ...(mode === 'ReadWrite' && !isAnotherChoice && { sparse: true }) }
  }
  return isAnotherChoice ? { kind: 'agree', digest: parent } : step
}

/** Tags and digests that can be spoken of, each once. */
function references(
  { view, asked, outbound }: RepositoryFacts,
  bases: ReadonlyMap<string, Digest>
): ReadonlySet<string> {
  if (!view) return new Set(asked.keys())
  const known = [...bases.keys(), ...outbound.keys()]
  const tags = [...view.tags.keys(), ...known.filter((reference) => !parseDigest(reference))]
  const digests = [...(view.digests ?? []), ...known.filter((reference) => parseDigest(reference))]
  return new Set([...tags, ...digests].filter((reference) => !view.unknown.has(reference)))
}

/** Undefined: the parent has not told. */
function parentPlace({ view, asked }: RepositoryFacts, reference: string): Digest | null | undefined {
  const answered = asked.get(reference)
  if (answered !== undefined || !view) return answered
  const digest = parseDigest(reference)
  if (!digest) return view.tags.get(reference) ?? null
  return view.digests && (view.digests.has(digest) ? digest : null)
}

export function currentBases(bases: ReadonlyMap<string, Base>, epoch: string): ReadonlyMap<string, Digest> {
  const current = Array.from(bases).filter(([, base]) => base.epoch === epoch)
  return new Map(current.map(([reference, { digest }]) => [reference, digest]))
}

function isShrunk(view: ParentView, bases: ReadonlyMap<string, Digest>): boolean {
  let agreed = 0
  let shown = 0
  for (const reference of bases.keys()) {
    const digest = parseDigest(reference)
    if (digest && !view.digests) continue
    agreed++
    if (digest ? view.digests?.has(digest) : isShown(view, reference)) shown++
  }
  return shown * 2 < agreed
}

function isShown({ tags, unknown, unwanted }: ParentView, tag: string): boolean {
  return tags.has(tag) || unknown.has(tag) || unwanted.has(tag)
}

/** What the reference names here; null: nothing. */
export async function localPlace(registry: Registry, repository: string, reference: string): Promise<Digest | null> {
  const digest = parseDigest(reference)
  if (digest) return (await registry.manifests.stat(repository, { kind: 'digest', digest }))?.digest ?? null
  return (await registry.tags.get(repository, reference))?.digest ?? null
}
